import { CONTEXT, fixed, heldKey, type Making, make, sessionIdOf, TS, WINDOW_SECONDS } from "./fixed.ts";
import { nonceOf } from "./reference.ts";
import {
  broken,
  type RequestSituation,
  refused,
  type Special,
  USUAL_REQUEST,
  USUAL_RESPONSE,
} from "./situations.ts";

const { serves } = USUAL_REQUEST;
const LATE = { now: TS + 10 * WINDOW_SECONDS * 1000 };

/** One error: its effect on the construction of an envelope, its bytes, and its opener. */
interface Wrong {
  readonly rule: string;
  readonly name: string;
  readonly making?: Making;
  readonly change?: (bytes: Uint8Array) => Uint8Array;
  readonly special?: Special<RequestSituation>;
}

/** In the order of the steps and comparisons. Any two errors can occur at once. */
const IN_ORDER: readonly Wrong[] = [
  { rule: "B2", name: "a header of 4097 bytes", making: { write: (text) => text.padEnd(4097) } },
  { rule: "C1", name: "no JSON", making: { write: (text) => text.replace("}", ",}") } },
  { rule: "C3", name: "a space in it", making: { write: (text) => text.replace(",", ", ") } },
  { rule: "C4", name: "version 2", making: { members: { v: 2 } } },
  { rule: "C5", name: "another suite", making: { members: { suite: "A256GCM" } } },
  { rule: "H20", name: "an unknown member", making: { members: { zone: "eu" } } },
  { rule: "V2", name: "another provider's subject", special: { subject_provider: "anthropic" } },
  { rule: "V3", name: "another intent's subject", special: { subject_intent: "embed" } },
  { rule: "V4", name: "another environment", special: { serves: { ...serves, env: "prod" } } },
  { rule: "V5", name: "a provider that is not served", special: { serves: { ...serves, providers: [] } } },
  { rule: "V6", name: "an intent that is not served", special: { serves: { ...serves, intents: [] } } },
  { rule: "V7", name: "a model that is not served", special: { serves: { ...serves, models: [] } } },
  { rule: "V9", name: "not permitted", special: { permitted: "never" } },
  { rule: "T1", name: "a life beyond the window", making: { members: { ttl: WINDOW_SECONDS + 1 } } },
  { rule: "T3", name: "expired", special: LATE },
  { rule: "T5", name: "a session of minute 0", making: { sessionId: sessionIdOf("old", 0) } },
  { rule: "U1", name: "no key of its kid", special: { keys: [heldKey(CONTEXT, "k-x")] } },
  { rule: "S7", name: "a foreign commitment", making: { members: { commitment: "A".repeat(43) } } },
  { rule: "S8", name: "a foreign prefix", making: { nonce: nonceOf(fixed("prefix", 8), 1) } },
  { rule: "A3", name: "a wrong tag", change: broken },
  { rule: "O3", name: "the guard refuses", special: { guard: "refused" } },
  { rule: "W2", name: "a kill while the guard decides", special: { permitted: "until_release" } },
];

/** Two or more errors at once: the first in order gives the reason. */
export function requestsWrongTwice() {
  const pairs = IN_ORDER.flatMap((first, index) =>
    IN_ORDER.slice(index + 1)
      .filter((second) => areNeighbours(first, second) && canMeet(first, second))
      .map((second) => [first, second] as const),
  );
  return [
    ...pairs.map(([first, second]) => both(first, second)),
    refused(
      "order: everything from the subject to the guard is wrong",
      "V2",
      broken(make().bytes),
      USUAL_REQUEST,
      {
        subject_provider: "anthropic",
        permitted: "never",
        ...LATE,
        keys: [],
        guard: "refused",
      },
    ),
    ...(["replay", "reuse", "fresh"] as const).map((guard) =>
      refused(
        `order: the guard says ${guard} when the wait for it has ended`,
        "O4 O1 O2",
        make().bytes,
        USUAL_REQUEST,
        {
          guard,
          guard_answers_after_ms: 601,
        },
      ),
    ),
    ...(["replay", "reuse"] as const).map((guard) =>
      refused(
        `order: ${guard}, and the key is withdrawn while the guard decides`,
        guard === "replay" ? "O1 W3" : "O2 W3",
        make().bytes,
        USUAL_REQUEST,
        { guard, held: "until_release" },
      ),
    ),
    refused("order: the guard answers late, and a kill arrives", "O4 W2", make().bytes, USUAL_REQUEST, {
      guard_answers_after_ms: 601,
      permitted: "until_release",
    }),
  ];
}

/** Every pair within steps 3 and 4, and pairs up to three places apart elsewhere. */
function areNeighbours(first: Wrong, second: Wrong): boolean {
  const distance = IN_ORDER.indexOf(second) - IN_ORDER.indexOf(first);
  const bothServed = /^[VT]/.test(first.rule) && /^[VT]/.test(second.rule);
  return bothServed || distance <= 3;
}

/** Without pairs of errors that exclude each other. */
function canMeet(first: Wrong, second: Wrong): boolean {
  const shared = Object.keys(first.special ?? {}).filter((member) => member in (second.special ?? {}));
  const writes = first.making?.write !== undefined && second.making?.write !== undefined;
  return !writes && shared.every((member) => member === "serves");
}

function both(first: Wrong, second: Wrong) {
  const members = { ...first.making?.members, ...second.making?.members };
  const made = make({ ...first.making, ...second.making, members }).bytes;
  const changed = first.change?.(made) ?? made;
  const envelope = second.change?.(changed) ?? changed;
  const served = { ...serves };
  for (const { special } of [first, second]) {
    for (const [member, value] of Object.entries(special?.serves ?? {})) {
      if (JSON.stringify(value) !== JSON.stringify((serves as Record<string, unknown>)[member])) {
        Object.assign(served, { [member]: value });
      }
    }
  }
  return refused(
    `order: ${first.name}, and ${second.name}`,
    `${first.rule} ${second.rule}`,
    envelope,
    USUAL_REQUEST,
    {
      ...first.special,
      ...second.special,
      serves: served,
    },
  );
}

/** The same for responses, where they differ. */
export function responsesWrongTwice() {
  const usual = USUAL_RESPONSE;
  const { waiting } = usual;
  const { bytes } = make({ phase: "response" });
  const hash = fixed("hash of another request", 32).toString("hex");
  return [
    refused("order: a wrong tag, and the answer to another envelope", "A3 R1", broken(bytes), usual, {
      waiting: { ...waiting, hash },
    }),
    refused("order: a wrong tag, and a refused opening token", "A3 X6", broken(bytes), usual, {
      token_refused: true,
    }),
    refused("order: expired, and the answer to another envelope", "T3 R1", bytes, usual, {
      ...LATE,
      waiting: { ...waiting, hash },
    }),
    refused("order: the answer to another envelope, and a kill before release", "R1 W2", bytes, usual, {
      waiting: { ...waiting, hash },
      permitted: "until_release",
    }),
    refused("order: another intent is waited for, and not permitted", "V3 V9", bytes, usual, {
      waiting: { ...waiting, intent: "embed" },
      permitted: "never",
    }),
    refused("order: another intent is waited for, and no key is held", "V3 U1", bytes, usual, {
      waiting: { ...waiting, intent: "embed" },
      keys: [],
    }),
    refused("order: another intent is waited for, and a refused opening token", "V3 X6", bytes, usual, {
      waiting: { ...waiting, intent: "embed" },
      token_refused: true,
    }),
    refused("order: a refused opening token, and a kill before release", "X6 W2", bytes, usual, {
      token_refused: true,
      permitted: "until_release",
    }),
    refused("order: another model is waited for, and the key is withdrawn", "R3 W3", bytes, usual, {
      waiting: { ...waiting, model: "gpt-5" },
      held: "until_release",
    }),
  ];
}
