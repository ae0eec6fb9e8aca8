import {
  BODY,
  CONTEXT,
  fixed,
  heldKey,
  KID,
  MINUTE,
  MODEL,
  make,
  SKEW_SECONDS,
  sessionIdOf,
  TS,
  WINDOW_SECONDS,
} from "./fixed.ts";
import { opens, USUAL_REQUEST, USUAL_RESPONSE } from "./situations.ts";

const ANTHROPIC = { env: "dev", provider: "anthropic", intent: "chat" } as const;
const EMBED = { ...CONTEXT, intent: "embed" } as const;
const STAGING = { ...CONTEXT, env: "staging" } as const;
const LONG = { env: "prod", provider: `p${"-_".repeat(31)}9`, intent: `0${"i".repeat(63)}` } as const;
const LONG_KID = "k".repeat(64);
const LONG_MODEL = "Az09._:/@+-".repeat(12).slice(0, 128);
const OTHER_IKM = fixed("another data key", 32);

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const NOT_ASCII = Buffer.from('{"text":"Grüße, 世界 — 🜁 \\ud83d\\ude00"}');
/** Every character that a content type may have, in two halves. */
const TYPES = [printable(0x20, 0x4f), printable(0x50, 0x7e)];

const LIFE_MS = WINDOW_SECONDS * 1000;
const SKEW_MS = SKEW_SECONDS * 1000;
const MINUTE_MS = MINUTE * 60_000;

/** Requests that open. */
export function openedRequests() {
  const usual = USUAL_REQUEST;
  const first = make();
  return [
    opens("a JSON body", first, usual),
    opens("an empty body", make({ body: Buffer.alloc(0), counter: 2 }), usual),
    opens(
      "a binary body of every byte",
      make({ body: EVERY_BYTE, counter: 3, members: { content_type: "application/octet-stream" } }),
      usual,
    ),
    opens("a JSON body that is not ASCII", make({ body: NOT_ASCII, counter: 4 }), usual),
    opens("the highest counter", make({ counter: 2 ** 32 - 1 }), usual),
    opens("another intent", make({ context: EMBED }), usual, { keys: [heldKey(), heldKey(EMBED)] }),
    opens("another provider", make({ context: ANTHROPIC }), usual, {
      keys: [heldKey(), heldKey(ANTHROPIC)],
      subject_provider: "anthropic",
    }),
    opens("another environment", make({ context: STAGING }), usual, {
      keys: [heldKey(STAGING)],
      serves: { ...usual.serves, env: "staging" },
    }),
    opens("one of two keys, by its kid", make(), usual, {
      keys: [heldKey(CONTEXT, "k-2025-12", OTHER_IKM), heldKey(CONTEXT, KID)],
    }),
    opens("a model on the list", make(), usual, { serves: { ...usual.serves, models: [MODEL] } }),
    opens(
      "every text at its longest, and a schema hash",
      make({
        context: LONG,
        kid: LONG_KID,
        members: {
          model: LONG_MODEL,
          content_type: "x".repeat(128),
          schema_hash: `sha256:${fixed("schema", 32).toString("hex")}`,
        },
      }),
      usual,
      {
        keys: [heldKey(LONG, LONG_KID)],
        serves: { env: LONG.env, providers: [LONG.provider], intents: [LONG.intent] },
        subject_provider: LONG.provider,
      },
    ),
    ...TYPES.map((content_type, index) =>
      opens(
        `the characters of a content type, half ${index + 1}`,
        make({ members: { content_type } }),
        usual,
      ),
    ),
    opens("the soonest that the skew allows", first, usual, { now: TS - SKEW_MS }),
    opens("the latest that life and skew allow", first, usual, { now: TS + LIFE_MS + SKEW_MS }),
    opens("no skew, and the same time", first, usual, { now: TS, skew_seconds: 0 }),
    opens("no skew, at the end of its life", first, usual, { now: TS + LIFE_MS, skew_seconds: 0 }),
    opens("the shortest life, at its end", make({ members: { ttl: 1 } }), usual, {
      now: TS + 1000 + SKEW_MS,
    }),
    opens("the longest life and window", make({ members: { ttl: 3600 } }), usual, {
      window_seconds: 3600,
      now: TS + 3_600_000,
    }),
    opens(
      "a time one second before its session's minute",
      make({ members: { ts: MINUTE_MS - 1000 } }),
      usual,
    ),
    opens("a time one window after its session's minute", lateInItsSession(), usual, {
      now: MINUTE_MS + 60_000 + LIFE_MS,
    }),
    opens("the guard answers 1 ms before the floor", first, usual, { guard_answers_after_ms: 699 }),
  ];
}

/** Whole responses and chunks that open. */
export function openedResponses() {
  const usual = USUAL_RESPONSE;
  const due = (seq: number) => ({ waiting: { ...usual.waiting, seq } });
  const chunk = (seq: number, final: 0 | 1, session = "stream") =>
    make({ phase: "response", members: { seq, final }, sessionId: sessionIdOf(session), counter: seq + 1 });
  const first = make({ phase: "response" });
  return [
    opens("a whole response", first, usual),
    opens("an empty body", make({ phase: "response", body: Buffer.alloc(0), counter: 2 }), usual),
    opens(
      "a binary body of every byte",
      make({
        phase: "response",
        body: EVERY_BYTE,
        counter: 3,
        members: { content_type: "application/octet-stream" },
      }),
      usual,
    ),
    opens("the soonest that the skew allows", first, usual, { now: TS - SKEW_MS }),
    opens("the latest that life and skew allow", first, usual, { now: TS + LIFE_MS + SKEW_MS }),
    opens("the first chunk of a stream", chunk(0, 0), usual, due(0)),
    opens("the second chunk", chunk(1, 0), usual, due(1)),
    opens("the last chunk, of another session", chunk(2, 1, "rolled"), usual, due(2)),
    opens("a stream of one chunk", chunk(0, 1, "single"), usual, due(0)),
    opens(
      "the highest seq",
      make({ phase: "response", members: { seq: 2 ** 31 - 1, final: 1 }, counter: 9 }),
      usual,
      due(2 ** 31 - 1),
    ),
  ];
}

function lateInItsSession() {
  return make({ members: { ts: MINUTE_MS + 60_000 + LIFE_MS }, body: BODY });
}

/** The characters from `first` to `last` that need no escape in JSON. */
function printable(first: number, last: number): string {
  return Array.from({ length: last - first + 1 }, (_, index) => String.fromCharCode(first + index))
    .filter((character) => character !== '"' && character !== "\\")
    .join("");
}
