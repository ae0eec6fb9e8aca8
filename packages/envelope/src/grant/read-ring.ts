import { type Environment, RingState, readCanonical, readMessage, SignedRing } from "@scbe/contracts";
import { ringBytes } from "./transcript.ts";
import { verifyNkey } from "./verify-nkey.ts";

/** Above the length of every legal ring. */
const RING_BYTES_MAX = 32_768;

/** What a broadcast says that it is. Nothing of it is true before {@link verifyRing} has said so. */
export interface ClaimedRing {
  readonly signed: SignedRing;
  readonly claimed: RingState;
}

/** The claim in `bytes`, to see by its generation whether it is worth verifying; `undefined` when it is malformed. */
export function claimedRing(bytes: Uint8Array): ClaimedRing | undefined {
  const signed = readMessage(bytes, SignedRing, RING_BYTES_MAX);
  const claimed = signed && readCanonical(signed.payload, RingState);
  return claimed && { signed, claimed };
}

export type ReadRing =
  | { readonly ok: true; readonly ring: RingState }
  | { readonly ok: false; readonly reason: "malformed" | "signature" | "env" };

/**
 * The ring that the keyring has signed. Whether it is news is the reader's to decide, by its generation.
 * @param keyringPublicKey the keyring's public user nkey, known beforehand
 * @param env the reader's own environment; another one's ring is refused
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

/** {@link claimedRing} and {@link verifyRing} in one. */
export function readRing(bytes: Uint8Array, keyringPublicKey: string, env: Environment): ReadRing {
  const claim = claimedRing(bytes);
  return claim === undefined ? { ok: false, reason: "malformed" } : verifyRing(claim, keyringPublicKey, env);
}
