import { type Environment, type RingState, SignedRing } from "@scbe/contracts";
import { type ReadRing, readRing } from "@scbe/envelope/grant";

const RING_BYTES_MAX = 32_768;

/** The ring of a received broadcast, if the keyring has signed it for this environment. */
export function readRingMessage(data: Uint8Array, keyringPublicKey: string, env: Environment): ReadRing {
  const signed = decode(data);
  return signed === undefined ? { ok: false, reason: "malformed" } : readRing(signed, keyringPublicKey, env);
}

/** True when `ring` is news to who has seen `generation`. */
export function isNews(ring: RingState, generation: number | undefined): boolean {
  return generation === undefined || ring.generation > generation;
}

function decode(data: Uint8Array): SignedRing | undefined {
  if (data.length > RING_BYTES_MAX) return undefined;
  try {
    return SignedRing.parse(JSON.parse(Buffer.from(data).toString("utf8")));
  } catch {
    return undefined;
  }
}
