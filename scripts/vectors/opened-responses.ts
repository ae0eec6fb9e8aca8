import { CONTEXT, fixed, heldKey, make, sessionIdOf } from "./fixed.ts";
import { EVERY_BYTE } from "./opened-requests.ts";
import { opens, USUAL_RESPONSE } from "./situations.ts";
import { timeCases } from "./times.ts";

const usual = USUAL_RESPONSE;

/** Whole responses and chunks that open. */
export function openedResponses() {
  return [...whole(), ...chunks(), ...timely()];
}

function whole() {
  const octets = { content_type: "application/octet-stream" };
  const otherKey = fixed("another data key", 32);
  return [
    opens("a whole response", "H21 V1 V2 V3 R1 R2 R3 R4", make({ phase: "response" }), usual),
    opens("an empty body", "B3", make({ phase: "response", body: Buffer.alloc(0), counter: 2 }), usual),
    opens(
      "a binary body of every byte",
      "A1",
      make({ phase: "response", body: EVERY_BYTE, counter: 3, members: octets }),
      usual,
    ),
    opens("under another kid", "U1", make({ phase: "response", kid: "k-2026-02" }), usual, {
      keys: [heldKey(CONTEXT, "k-2026-01", otherKey), heldKey(CONTEXT, "k-2026-02")],
    }),
  ];
}

function chunks() {
  const due = (seq: number) => ({ waiting: { ...usual.waiting, seq } });
  const chunk = (seq: number, final: 0 | 1, session = "stream", counter = seq + 1) =>
    make({ phase: "response", members: { seq, final }, sessionId: sessionIdOf(session), counter });
  return [
    opens("the first chunk of a stream", "H5 H16 H22 R4", chunk(0, 0), usual, due(0)),
    opens("the second chunk", "R4", chunk(1, 0), usual, due(1)),
    opens("the last chunk, of another session", "H5 R4", chunk(2, 1, "rolled"), usual, due(2)),
    opens("a stream of one chunk", "H5", chunk(0, 1, "single"), usual, due(0)),
    opens("the highest seq", "H16", chunk(2 ** 31 - 1, 1, "response", 9), usual, due(2 ** 31 - 1)),
  ];
}

function timely() {
  return timeCases("response", 0).map(({ name, rule, made, situation }) =>
    opens(name, rule, made, usual, situation),
  );
}
