import { type Environment, RingState, type SignedRing } from "@scbe/contracts";
import { decodeBase64Url } from "../base64url.ts";
import { jcs } from "../jcs.ts";
import { SIGNATURE_BYTES } from "./suite.ts";
import { ringBytes } from "./transcript.ts";
import { verifyNkey } from "./verify-nkey.ts";

export type ReadRing =
  | { readonly ok: true; readonly ring: RingState }
  | { readonly ok: false; readonly reason: "malformed" | "signature" | "env" };

/**
 * The ring that the keyring has signed. Whether it is news is the reader's to decide, by its generation.
 * @param keyringPublicKey the keyring's public user nkey, known beforehand
 * @param env the reader's own environment; another one's ring is refused
 */
export function readRing(signed: SignedRing, keyringPublicKey: string, env: Environment): ReadRing {
  const signature = decodeBase64Url(signed.signature, SIGNATURE_BYTES);
  if (signature === undefined) return { ok: false, reason: "malformed" };
  if (!verifyNkey(keyringPublicKey, ringBytes(signed.payload), signature)) {
    return { ok: false, reason: "signature" };
  }
  const ring = parseCanonical(signed.payload);
  if (ring === undefined) return { ok: false, reason: "malformed" };
  return ring.env === env ? { ok: true, ring } : { ok: false, reason: "env" };
}

function parseCanonical(payload: string): RingState | undefined {
  try {
    const ring = RingState.parse(JSON.parse(payload));
    return jcs(ring) === payload ? ring : undefined;
  } catch {
    return undefined;
  }
}
