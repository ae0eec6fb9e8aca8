import { CONTEXT, fixed, heldKey, IKM, make, sessionIdOf } from "./fixed.ts";
import { base64url, deriveSession, deriveSubkeys, nonceOf } from "./reference.ts";
import { broken, refused, refusedResponses, USUAL_RESPONSE } from "./situations.ts";
import { timeCases } from "./times.ts";

const OTHER_HASH = fixed("hash of another request", 32).toString("hex");
const TWO_KEYS = [heldKey(), heldKey({ ...CONTEXT, intent: "embed" })];
const { waiting, serves } = USUAL_RESPONSE;
const ofEmbed = { ...waiting, intent: "embed" };

/** Responses that are refused, each with one error. */
export function responsesNotOpened() {
  const { bytes } = make({ phase: "response" });
  const committed = deriveSession(deriveSubkeys(IKM, CONTEXT), "request", sessionIdOf("response")).commitment;
  const foreign = { phase: "response", nonce: nonceOf(fixed("p", 8), 1) } as const;
  const wrongPhase = { phase: "response", members: { commitment: base64url(committed) } } as const;
  return [
    ...refusedResponses([
      ["noise", "B2", fixed("noise", 512)],
      ["512 zeros", "C1", Buffer.alloc(512)],
      ["a request where a response is due", "V1", make().bytes],
      ["another provider is waited for", "V2", bytes, { waiting: { ...waiting, provider: "anthropic" } }],
      ["another intent is waited for", "V3", bytes, { waiting: ofEmbed, keys: TWO_KEYS }],
      ["another environment's opener", "V4", bytes, { serves: { ...serves, env: "prod" } }],
      ["a model that is not served", "V7", bytes, { serves: { ...serves, models: ["gpt-5"] } }],
      ["the control document does not permit it", "V9", bytes, { permitted: "never" }],
    ]),
    ...timeCases("response", 1).map(({ name, rule, made, situation }) =>
      refused(name, rule, made.bytes, USUAL_RESPONSE, situation),
    ),
    ...refusedResponses([
      ["no key of its kid", "U1", bytes, { keys: [heldKey(CONTEXT, "k-x")] }],
      ["the same key, held for another environment", "U2", bytes, { keys: [{ ...heldKey(), env: "prod" }] }],
      ["sealed in a session of requests", "S7", make(wrongPhase).bytes],
      ["another session's prefix", "S8", make(foreign).bytes],
      ["the tag is wrong", "A3", broken(bytes)],
    ]),
    ...bindings(bytes),
    ...refusedResponses([
      ["the opener serves nothing more", "W1", bytes, { served: "until_release" }],
      ["a kill arrives before release", "W2", bytes, { permitted: "until_release" }],
      ["the key is withdrawn before release", "W3", bytes, { held: "until_release" }],
      ["another key takes the kid before release", "W3", bytes, { held: "replaced_before_release" }],
    ]),
  ];
}

function bindings(bytes: Uint8Array) {
  const chunk = make({ phase: "response", members: { seq: 1, final: 0 } }).bytes;
  const first = make({ phase: "response", members: { seq: 0, final: 1 } }).bytes;
  const last = make({ phase: "response", members: { seq: 1, final: 1 } }).bytes;
  const otherId = "0f8fad5b-d9cb-469f-a165-70867728950f";
  return refusedResponses([
    ["the answer to another envelope", "R1", bytes, { waiting: { ...waiting, hash: OTHER_HASH } }],
    ["the answer to another request id", "R2", bytes, { waiting: { ...waiting, request_id: otherId } }],
    ["another model is waited for", "R3", bytes, { waiting: { ...waiting, model: "gpt-5" } }],
    ["a whole response where chunk 0 is due", "R4", bytes, { waiting: { ...waiting, seq: 0 } }],
    ["a chunk where a whole response is due", "R4", chunk],
    ["chunk 0 where a whole response is due", "R4", first],
    ["a gap: chunk 1 where chunk 0 is due", "R4", chunk, { waiting: { ...waiting, seq: 0 } }],
    ["a duplicate: chunk 1 where chunk 2 is due", "R4", chunk, { waiting: { ...waiting, seq: 2 } }],
    ["a last chunk where an earlier one is due", "R4", last, { waiting: { ...waiting, seq: 0 } }],
    ["the opening token was refused", "X6", bytes, { token_refused: true }],
  ]);
}
