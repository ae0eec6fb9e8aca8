import {
  CONTEXT,
  fixed,
  heldKey,
  IKM,
  KID,
  make,
  SKEW_SECONDS,
  sessionIdOf,
  TS,
  WINDOW_SECONDS,
} from "./fixed.ts";
import { base64url, deriveSession, deriveSubkeys, nonceOf } from "./reference.ts";
import { broken, type Refusal, refused, type Special, USUAL_RESPONSE } from "./situations.ts";

const NOT_SERVED = { step: 3, reason: "not_served" } as const;
const TIME = { step: 4, reason: "time" } as const;
const UNKNOWN_KEY = { step: 5, reason: "unknown_key" } as const;
const NONCE = { step: 6, reason: "nonce" } as const;
const COMMITMENT = { step: 6, reason: "commitment" } as const;
const TAG = { step: 7, reason: "tag" } as const;
const BINDING = { step: 8, reason: "binding" } as const;
const WITHDRAWN = { step: 9, reason: "withdrawn" } as const;

const LIFE_MS = WINDOW_SECONDS * 1000;
const SKEW_MS = SKEW_SECONDS * 1000;
const OTHER_HASH = fixed("hash of another request", 32);
const TWO_KEYS = [heldKey(), heldKey({ ...CONTEXT, intent: "embed" })];

/** Responses that are not opened. */
export function refusedResponses() {
  const usual = USUAL_RESPONSE;
  const { waiting, serves } = usual;
  const { bytes } = make({ phase: "response" });
  const chunk = make({ phase: "response", members: { seq: 1, final: 0 } }).bytes;
  const last = make({ phase: "response", members: { seq: 1, final: 1 } }).bytes;
  const cases: readonly (readonly [string, Refusal, Uint8Array, Special<typeof usual>?])[] = [
    ["bytes that are no envelope", { step: 1, reason: "malformed" }, Buffer.alloc(512)],
    ["a request where a response is due", NOT_SERVED, make().bytes],
    ["another provider is waited for", NOT_SERVED, bytes, { waiting: { ...waiting, provider: "anthropic" } }],
    ["another environment's opener", NOT_SERVED, bytes, { serves: { ...serves, env: "prod" } }],
    ["1 ms sooner than the skew allows", TIME, bytes, { now: TS - SKEW_MS - 1 }],
    ["1 ms later than life and skew allow", TIME, bytes, { now: TS + LIFE_MS + SKEW_MS + 1 }],
    ["no key of its kid", UNKNOWN_KEY, bytes, { keys: [heldKey(CONTEXT, `${KID}-x`)] }],
    [
      "sealed in a session of requests",
      COMMITMENT,
      make({
        phase: "response",
        members: {
          commitment: base64url(
            deriveSession(deriveSubkeys(IKM, CONTEXT), "request", sessionIdOf("response")).commitment,
          ),
        },
      }).bytes,
    ],
    ["another session's prefix", NONCE, make({ phase: "response", nonce: nonceOf(fixed("p", 8), 1) }).bytes],
    ["the tag is wrong", TAG, broken(bytes)],
    [
      "the answer to another envelope",
      BINDING,
      bytes,
      {
        waiting: { ...waiting, hash: OTHER_HASH.toString("hex") },
      },
    ],
    [
      "the answer to another request id",
      BINDING,
      bytes,
      {
        waiting: { ...waiting, request_id: "0f8fad5b-d9cb-469f-a165-70867728950f" },
      },
    ],
    [
      "another intent is waited for",
      BINDING,
      bytes,
      {
        waiting: { ...waiting, intent: "embed" },
        keys: TWO_KEYS,
      },
    ],
    ["another model is waited for", BINDING, bytes, { waiting: { ...waiting, model: "gpt-5" } }],
    ["a whole response where chunk 0 is due", BINDING, bytes, { waiting: { ...waiting, seq: 0 } }],
    ["a chunk where a whole response is due", BINDING, chunk],
    ["a gap: chunk 1 where chunk 0 is due", BINDING, chunk, { waiting: { ...waiting, seq: 0 } }],
    ["a duplicate: chunk 1 where chunk 2 is due", BINDING, chunk, { waiting: { ...waiting, seq: 2 } }],
    ["a last chunk where an earlier one is due", BINDING, last, { waiting: { ...waiting, seq: 0 } }],
    ["the key is withdrawn before release", WITHDRAWN, bytes, { withdrawn_before_release: true }],
    ["a kill arrives before release", WITHDRAWN, bytes, { permitted: "until_release" }],
    [
      "the control document does not permit it",
      { step: 3, reason: "switched_off" },
      bytes,
      { permitted: "never" },
    ],
  ];
  return cases.map(([name, refusal, envelope, special]) => refused(name, refusal, envelope, usual, special));
}
