import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import type { SealedRequest, Sealer } from "@scbe/envelope";

const SESSION_ID_BYTES = 32;
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
  const original = crypto.randomBytes;
  const repeated = original(SESSION_ID_BYTES);
  const draw = (size: number): Buffer => (size === SESSION_ID_BYTES ? Buffer.from(repeated) : original(size));
  replaceRandomBytes(draw as typeof original);
  try {
    const seal = (sealer: Sealer): SealedRequest =>
      sealer.sealRequest({ ...REQUEST, provider, requestId: crypto.randomUUID() });
    return [seal(sealers[0]), seal(sealers[1])];
  } finally {
    replaceRandomBytes(original);
  }
}

function replaceRandomBytes(draw: typeof crypto.randomBytes): void {
  crypto.randomBytes = draw;
  syncBuiltinESMExports();
}
