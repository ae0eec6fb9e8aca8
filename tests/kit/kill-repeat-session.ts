import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import type { SealedRequest, Sealer } from "@scbe/envelope";

/** What a session id draws, behind its minute. */
const DRAWN_BYTES = 28;
const REQUEST = { model: "m", intent: "chat", body: Buffer.from("Hello") };

/**
 * The first request of each of two sealers on machines whose random generators give the same bytes, as after a machine was
 * cloned: two envelopes under one key and one nonce. Nothing in the sealer allows this; the generator itself is another one for
 * as long as the two seal.
 */
export function sealUnderOneNonce(
  provider: string,
  sealers: readonly [Sealer, Sealer],
): readonly [SealedRequest, SealedRequest] {
  const original = crypto.randomFillSync;
  const repeated = crypto.randomBytes(DRAWN_BYTES);
  const fill = (bytes: Uint8Array): Uint8Array => {
    if (bytes.length !== DRAWN_BYTES) return original(bytes);
    bytes.set(repeated);
    return bytes;
  };
  replaceFill(fill as typeof original);
  try {
    const seal = (sealer: Sealer): SealedRequest =>
      sealer.sealRequest({ ...REQUEST, provider, requestId: crypto.randomUUID() });
    return [seal(sealers[0]), seal(sealers[1])];
  } finally {
    replaceFill(original);
  }
}

function replaceFill(fill: typeof crypto.randomFillSync): void {
  crypto.randomFillSync = fill;
  syncBuiltinESMExports();
}
