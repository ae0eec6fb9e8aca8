import { type Environment, jcs, RingState, readCanonical, readMessage, SignedRing } from "@scbe/contracts";
import { encodeBase64Url, lp } from "../wire.ts";
import { type Identity, verifyNkey } from "./nkey.ts";

/**
 * The ring's states, signed by the keyring: `payload` is the RFC 8785 form of the state, `signature` is over
 * `LP("scbe/v1/ring") LP(payload)`. It holds no key material. Any process on the bus can repeat it, so readers apply
 * it only if its generation is the highest that they have seen.
 * @throws ZodError for a ring that readers refuse
 */
export function signRing(ring: RingState, identity: Identity): SignedRing {
  const payload = jcs(RingState.parse(ring));
  return { v: 1, payload, signature: encodeBase64Url(identity.sign(ringBytes(payload))) };
}

/** More than the length of every legal ring. */
const RING_BYTES_MAX = 32_768;

/** The claim of a broadcast, which {@link verifyRing} verifies. */
export interface ClaimedRing {
  readonly signed: SignedRing;
  readonly claimed: RingState;
}

/** The claim in `bytes`; its generation shows whether it is worth verifying. `undefined` if it is malformed. */
export function claimedRing(bytes: Uint8Array): ClaimedRing | undefined {
  const signed = readMessage(bytes, SignedRing, RING_BYTES_MAX);
  const claimed = signed && readCanonical(signed.payload, RingState);
  return claimed && { signed, claimed };
}

export type ReadRing =
  | { readonly ok: true; readonly ring: RingState }
  | { readonly ok: false; readonly reason: "malformed" | "signature" | "env" };

/**
 * The ring that the keyring signed. The reader decides by its generation whether it is newer.
 * @param keyringPublicKey the keyring's public user nkey, from the configuration
 * @param env the reader's own environment; the ring of another one is refused
 */
export function verifyRing(
  { signed, claimed }: ClaimedRing,
  keyringPublicKey: string,
  env: Environment,
): ReadRing {
  const signature = Buffer.from(signed.signature, "base64url");
  if (!verifyNkey(keyringPublicKey, ringBytes(signed.payload), signature)) {
    return { ok: false, reason: "signature" };
  }
  return claimed.env === env ? { ok: true, ring: claimed } : { ok: false, reason: "env" };
}

/** {@link claimedRing} and {@link verifyRing} in one step. */
export function readRing(bytes: Uint8Array, keyringPublicKey: string, env: Environment): ReadRing {
  const claim = claimedRing(bytes);
  return claim === undefined ? { ok: false, reason: "malformed" } : verifyRing(claim, keyringPublicKey, env);
}

/** The bytes that a keyring signs for its stored ring: `LP("scbe/v1/ring-record") || ring`. */
export function ringRecordBytes(ring: Uint8Array): Buffer {
  return Buffer.concat([lp("scbe/v1/ring-record"), ring]);
}

/** The bytes that the keyring signs for a broadcast of its ring: `LP("scbe/v1/ring") LP(payload)`. */
export function ringBytes(payload: string): Buffer {
  return lp("scbe/v1/ring", payload);
}
