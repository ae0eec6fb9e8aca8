import { jcs, RingState, type SignedRing } from "@scbe/contracts";
import { encodeBase64Url } from "../base64url.ts";
import type { Identity } from "./identity.ts";
import { ringBytes } from "./transcript.ts";

/**
 * The ring's states, signed by the keyring: `payload` is the RFC 8785 form of the state, `signature` is over
 * `LP("scbe/v1/ring") LP(payload)`. It holds no key material. It can be repeated by anyone on the bus, so a reader obeys
 * it only if its generation is higher than the highest it has seen.
 * @throws ZodError for what no reader would take as a ring
 */
export function signRing(ring: RingState, identity: Identity): SignedRing {
  const payload = jcs(RingState.parse(ring));
  return { v: 1, payload, signature: encodeBase64Url(identity.sign(ringBytes(payload))) };
}
