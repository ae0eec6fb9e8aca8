import {
  CONTEXT,
  fixed,
  heldKey,
  IKM,
  MINUTE,
  make,
  SKEW_SECONDS,
  sessionIdOf,
  TS,
  WINDOW_SECONDS,
} from "./fixed.ts";
import { base64url, deriveSession, deriveSubkeys, nonceOf, type Subkeys } from "./reference.ts";
import {
  broken,
  type Refusal,
  type RequestSituation,
  refused,
  type Special,
  USUAL_REQUEST,
} from "./situations.ts";

const NOT_SERVED = { step: 3, reason: "not_served" } as const;
const TIME = { step: 4, reason: "time" } as const;
const UNKNOWN_KEY = { step: 5, reason: "unknown_key" } as const;
const NONCE = { step: 6, reason: "nonce" } as const;
const COMMITMENT = { step: 6, reason: "commitment" } as const;
const TAG = { step: 7, reason: "tag" } as const;
const WITHDRAWN = { step: 9, reason: "withdrawn" } as const;

const LIFE_MS = WINDOW_SECONDS * 1000;
const SKEW_MS = SKEW_SECONDS * 1000;
const MINUTE_MS = MINUTE * 60_000;
const EMBED = { ...CONTEXT, intent: "embed" } as const;
const OTHER_IKM = fixed("another data key", 32);

function requests(
  refusal: Refusal,
  cases: readonly (readonly [string, Uint8Array, Special<RequestSituation>?])[],
) {
  return cases.map(([name, envelope, special]) => refused(name, refusal, envelope, USUAL_REQUEST, special));
}

/** Step 3. */
export function notServed() {
  const { bytes } = make();
  const { serves } = USUAL_REQUEST;
  return requests(NOT_SERVED, [
    ["a response where requests are opened", make({ phase: "response" }).bytes],
    ["a chunk where requests are opened", make({ phase: "response", members: { seq: 0, final: 1 } }).bytes],
    ["on another provider's subject", bytes, { subject_provider: "anthropic" }],
    ["another environment's opener", bytes, { serves: { ...serves, env: "prod" } }],
    ["a provider that is not served", bytes, { serves: { ...serves, providers: ["anthropic"] } }],
    ["an intent that is not served", bytes, { serves: { ...serves, intents: ["embed"] } }],
    ["a model that is not served", bytes, { serves: { ...serves, models: ["gpt-5"] } }],
    [
      "not served, expired, key unknown: the first step says so",
      bytes,
      {
        subject_provider: "anthropic",
        now: TS + 10 * LIFE_MS,
        keys: [],
      },
    ],
  ]);
}

/** Step 4: each edge, 1 ms beyond. */
export function outOfTime() {
  const { bytes } = make();
  const at = (ts: number) => make({ members: { ts } }).bytes;
  return requests(TIME, [
    ["1 ms sooner than the skew allows", bytes, { now: TS - SKEW_MS - 1 }],
    ["1 ms later than life and skew allow", bytes, { now: TS + LIFE_MS + SKEW_MS + 1 }],
    ["no skew, and 1 ms from the future", bytes, { now: TS - 1, skew_seconds: 0 }],
    ["no skew, and 1 ms past its life", bytes, { now: TS + LIFE_MS + 1, skew_seconds: 0 }],
    [
      "the shortest life, 1 ms past it",
      make({ members: { ttl: 1 } }).bytes,
      { now: TS + 1000 + SKEW_MS + 1 },
    ],
    ["a life 1 s longer than the window", make({ members: { ttl: WINDOW_SECONDS + 1 } }).bytes],
    ["a time 1001 ms before its session's minute", at(MINUTE_MS - 1001)],
    [
      "a time 1 ms later than one window after its session's minute",
      at(MINUTE_MS + 60_000 + LIFE_MS + 1),
      { now: MINUTE_MS + 60_000 + LIFE_MS },
    ],
    ["a session of minute 0", make({ sessionId: sessionIdOf("old", 0) }).bytes],
    ["a session of minute 2^32 - 1", make({ sessionId: sessionIdOf("far", 0xffffffff) }).bytes],
    ["expired, and its tag is wrong: the first step says so", broken(bytes), { now: TS + 10 * LIFE_MS }],
  ]);
}

/** Step 5. */
export function unknownKeys() {
  const { bytes } = make();
  return requests(UNKNOWN_KEY, [
    ["no key at all", bytes, { keys: [] }],
    ["a key of another kid", bytes, { keys: [heldKey(CONTEXT, "k-2025-12")] }],
    ["a key of another intent", bytes, { keys: [heldKey(EMBED)] }],
    ["a key of another provider", bytes, { keys: [heldKey({ ...CONTEXT, provider: "anthropic" })] }],
  ]);
}

/** Step 6: the commitment comes before the nonce. */
export function wrongSessions() {
  const { prefix } = deriveSession(subkeys(), "request", sessionIdOf("request"));
  const foreign = nonceOf(fixed("prefix", 8), 1);
  const split: Subkeys = { ...subkeys(), nonceKey: deriveSubkeys(OTHER_IKM, CONTEXT).nonceKey };
  const committed = (phase: "request" | "response") =>
    base64url(deriveSession(subkeys(), phase, sessionIdOf("request")).commitment);
  return [
    ...requests(COMMITMENT, [
      [
        "sealed under another data key of the same kid",
        make({ subkeys: deriveSubkeys(OTHER_IKM, CONTEXT) }).bytes,
      ],
      ["sealed under the key of another intent", make({ subkeys: deriveSubkeys(IKM, EMBED) }).bytes],
      [
        "sealed under the key of another environment",
        make({
          subkeys: deriveSubkeys(IKM, { ...CONTEXT, env: "prod" }),
        }).bytes,
      ],
      ["a commitment of the other phase", make({ members: { commitment: committed("response") } }).bytes],
      ["a commitment of zeros, rightly sealed", make({ members: { commitment: "A".repeat(43) } }).bytes],
      ["another session's id", make({ members: { session_id: base64url(sessionIdOf("other")) } }).bytes],
      [
        "neither commitment nor nonce",
        make({ nonce: foreign, members: { commitment: "A".repeat(43) } }).bytes,
      ],
    ]),
    ...requests(NONCE, [
      ["a counter of 0", make({ nonce: nonceOf(prefix, 0) }).bytes],
      ["another session's prefix", make({ nonce: foreign }).bytes],
      ["a prefix of another k_nonce", make({ subkeys: split }).bytes],
      ["another prefix, and the tag is wrong", broken(make({ nonce: foreign }).bytes)],
    ]),
    ...requests(TAG, [
      ["the tag is wrong, and the guard would refuse", broken(make().bytes), { guard: "refused" }],
    ]),
  ];
}

/** Steps 8 and 9 of a request that verifies. */
export function notReleased() {
  const { bytes } = make();
  const guard = (verdict: RequestSituation["guard"], reason: string, name: string) =>
    requests({ step: 8, reason }, [[name, bytes, { guard: verdict }]]);
  return [
    ...guard("replay", "replay", "seen before"),
    ...guard("reuse", "nonce_reuse", "its nonce was seen with other bytes"),
    ...guard("refused", "not_admitted", "the guard refuses"),
    ...requests({ step: 8, reason: "not_admitted" }, [
      ["the guard answers at the floor", bytes, { guard_answers_after_ms: 700 }],
      ["the guard finds a replay, too late", bytes, { guard: "replay", guard_answers_after_ms: 701 }],
    ]),
    ...requests(WITHDRAWN, [
      ["the key is withdrawn while the guard decides", bytes, { withdrawn_before_release: true }],
      ["a kill arrives while the guard decides", bytes, { permitted: "until_release" }],
    ]),
    ...requests({ step: 3, reason: "switched_off" }, [
      ["the control document does not permit it", bytes, { permitted: "never" }],
    ]),
  ];
}

function subkeys(): Subkeys {
  return deriveSubkeys(IKM, CONTEXT);
}
