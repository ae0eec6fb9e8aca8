import { CONTEXT, fixed, heldKey, IKM, make, sessionIdOf, TS, WINDOW_SECONDS } from "./fixed.ts";
import { base64url, deriveSession, deriveSubkeys, nonceOf, type Subkeys } from "./reference.ts";
import { refused, refusedRequests, USUAL_REQUEST } from "./situations.ts";
import { timeCases } from "./times.ts";

const LIFE_MS = WINDOW_SECONDS * 1000;
const EMBED = { ...CONTEXT, intent: "embed" } as const;
const RESERVED = { ...CONTEXT, intent: "scbe-opening-token" } as const;
const OTHER_IKM = fixed("another data key", 32);
const { serves } = USUAL_REQUEST;

/** Steps 3 to 9 of requests, each with one error. */
export function requestsNotOpened() {
  return [...notServed(), ...outOfTime(), ...unknownKeys(), ...wrongSessions(), ...notReleased()];
}

function notServed() {
  const { bytes } = make();
  return refusedRequests([
    ["a response where requests are opened", "V1", make({ phase: "response" }).bytes],
    [
      "a chunk where requests are opened",
      "V1",
      make({ phase: "response", members: { seq: 0, final: 1 } }).bytes,
    ],
    ["on another provider's subject", "V2", bytes, { subject_provider: "anthropic" }],
    ["on another intent's subject", "V3", bytes, { subject_intent: "embed" }],
    ["another environment's opener", "V4", bytes, { serves: { ...serves, env: "prod" } }],
    [
      "another environment's opener, which holds the keys",
      "V4",
      make({ context: { ...CONTEXT, env: "staging" } }).bytes,
      { keys: [heldKey({ ...CONTEXT, env: "staging" })] },
    ],
    ["a provider that is not served", "V5", bytes, { serves: { ...serves, providers: ["anthropic"] } }],
    ["no provider is served", "V5", bytes, { serves: { ...serves, providers: [] } }],
    ["an intent that is not served", "V6", bytes, { serves: { ...serves, intents: ["embed"] } }],
    ["a model that is not served", "V7", bytes, { serves: { ...serves, models: ["gpt-5"] } }],
    [
      "a model that only begins as served ones do",
      "V7",
      bytes,
      { serves: { ...serves, models: ["gpt-5", "gpt-5-mini-2"] } },
    ],
    ["no model is served", "V7", bytes, { serves: { ...serves, models: [] } }],
    [
      "a reserved intent, though it is served and its keys are held",
      "V8",
      make({ context: RESERVED }).bytes,
      { serves: { ...serves, intents: [RESERVED.intent] }, keys: [heldKey(RESERVED)] },
    ],
    ["the control document does not permit it", "V9", bytes, { permitted: "never" }],
  ]);
}

/** Each edge of step 4, 1 ms (or 1 s of life) beyond. */
function outOfTime() {
  const { bytes } = make();
  return [
    ...timeCases("request", 1).map(({ name, rule, made, situation }) =>
      refused(name, rule, made.bytes, USUAL_REQUEST, situation),
    ),
    ...refusedRequests([
      ["the shortest life, 1 ms past it", "T3", make({ members: { ttl: 1 } }).bytes, { now: TS + 31_001 }],
      [
        "a life of an hour, and a window 1 s shorter",
        "T1",
        make({ members: { ttl: 3600 } }).bytes,
        { window_seconds: 3599 },
      ],
      ["long expired", "T3", bytes, { now: TS + 10 * LIFE_MS }],
      ["a session of minute 0", "T5", make({ sessionId: sessionIdOf("old", 0) }).bytes],
      ["a session of minute 2^31", "T4", make({ sessionId: sessionIdOf("signed", 2 ** 31) }).bytes],
      ["a session of minute 2^32 - 1", "T4", make({ sessionId: sessionIdOf("far", 0xffffffff) }).bytes],
    ]),
  ];
}

function unknownKeys() {
  const { bytes } = make();
  return refusedRequests([
    ["no key at all", "U1", bytes, { keys: [] }],
    ["the same key under another kid", "U1", bytes, { keys: [heldKey(CONTEXT, "k-2025-12")] }],
    // the derivation is right, so that an opener that compares only the kid opens it
    ["the same key, held for another environment", "U2", bytes, { keys: [{ ...heldKey(), env: "prod" }] }],
    [
      "the same key, held for another provider",
      "U3",
      bytes,
      { keys: [{ ...heldKey(), provider: "anthropic" }] },
    ],
    ["the same key, held for another intent", "U4", bytes, { keys: [{ ...heldKey(), intent: "embed" }] }],
    [
      "the kid of another provider's key",
      "U3",
      make({ kid: "k-a" }).bytes,
      { keys: [heldKey(), { ...heldKey(CONTEXT, "k-a"), provider: "anthropic" }] },
    ],
  ]);
}

function wrongSessions() {
  const { prefix } = deriveSession(subkeys(), "request", sessionIdOf("request"));
  const foreign = nonceOf(fixed("prefix", 8), 1);
  const split: Subkeys = { ...subkeys(), nonceKey: deriveSubkeys(OTHER_IKM, CONTEXT).nonceKey };
  const committed = (phase: "request" | "response") =>
    deriveSession(subkeys(), phase, sessionIdOf("request")).commitment;
  const under = (env: string) => deriveSubkeys(IKM, { ...CONTEXT, env });
  const nearly = (at: number) => {
    const changed = Buffer.from(prefix);
    changed[at] = (changed[at] ?? 0) ^ 1;
    return make({ nonce: nonceOf(changed, 1) }).bytes;
  };
  const commitmentBut = (at: number) => {
    const changed = Buffer.from(committed("request"));
    changed[at] = (changed[at] ?? 0) ^ 1;
    return make({ members: { commitment: base64url(changed) } }).bytes;
  };
  return refusedRequests([
    [
      "sealed under another data key of the same kid",
      "S7",
      make({ subkeys: deriveSubkeys(OTHER_IKM, CONTEXT) }).bytes,
    ],
    ["sealed under the key of another intent", "S7", make({ subkeys: deriveSubkeys(IKM, EMBED) }).bytes],
    ["sealed under the key of another environment", "S7", make({ subkeys: under("prod") }).bytes],
    [
      "a commitment of the other phase",
      "S7",
      make({ members: { commitment: base64url(committed("response")) } }).bytes,
    ],
    ["a commitment of zeros, rightly sealed", "S7", make({ members: { commitment: "A".repeat(43) } }).bytes],
    ["a commitment that is another in its first byte", "S7", commitmentBut(0)],
    ["a commitment that is another in its last byte", "S7", commitmentBut(31)],
    ["another session's id", "S7", make({ members: { session_id: base64url(sessionIdOf("other")) } }).bytes],
    ["another session's prefix", "S8", make({ nonce: foreign }).bytes],
    ["a prefix that is another in its first byte", "S8", nearly(0)],
    ["a prefix that is another in its last byte", "S8", nearly(7)],
    ["a prefix of another k_nonce", "S8", make({ subkeys: split }).bytes],
    ["a counter of 0", "S9", make({ nonce: nonceOf(prefix, 0) }).bytes],
  ]);
}

/** Steps 8 and 9 of a request that verifies. */
function notReleased() {
  const { bytes } = make();
  return refusedRequests([
    ["seen before", "O1", bytes, { guard: "replay" }],
    ["its nonce was seen with other bytes", "O2", bytes, { guard: "reuse" }],
    ["the guard refuses", "O3", bytes, { guard: "refused" }],
    ["the guard answers when the wait for it ends", "O4", bytes, { guard_answers_after_ms: 600 }],
    [
      "the guard is asked late, and answers when the wait for it ends",
      "O4",
      bytes,
      { guard_asked_after_ms: 50, guard_answers_after_ms: 650 },
    ],
    [
      "the guard is asked late, and answers at the floor",
      "O5",
      bytes,
      { guard_asked_after_ms: 200, guard_answers_after_ms: 700 },
    ],
    ["the opener serves nothing more", "W1", bytes, { served: "until_release" }],
    ["a kill arrives while the guard decides", "W2", bytes, { permitted: "until_release" }],
    ["the key is withdrawn while the guard decides", "W3", bytes, { held: "until_release" }],
    ["another key takes the kid while the guard decides", "W3", bytes, { held: "replaced_before_release" }],
  ]);
}

function subkeys(): Subkeys {
  return deriveSubkeys(IKM, CONTEXT);
}
