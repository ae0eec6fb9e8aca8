import type { Environment } from "@scbe/contracts";
import { type Identity, ringRecordBytes, verifyNkey } from "@scbe/envelope/grant";
import { z } from "zod";
import { decodeRing, encodeRing, RING_BYTES_MAX, type Ring } from "./ring.ts";

/** Bytes of a record; a larger one is refused unread. */
export const RECORD_BYTES_MAX = 2 * RING_BYTES_MAX;

/** What stands in KV: the ring as text, and the keyring's signature over it. */
const RingRecord = z.strictObject({
  v: z.literal(1),
  ring: z.string().max(RING_BYTES_MAX),
  /** base64url of 64 bytes */
  signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/),
});

export type DecodedRecord =
  | { readonly ok: true; readonly ring: Ring }
  | { readonly ok: false; readonly reason: "malformed" | "signature" | "env" };

/**
 * The ring of a stored record. Whoever can write to JetStream could otherwise set a revoked key active again, or plant one:
 * so it must bear the signature of a keyring before anything in it is used.
 * @param signers public nkeys: the keyring's own, and a former one while it is being replaced
 */
export function decodeRecord(bytes: Uint8Array, env: Environment, signers: readonly string[]): DecodedRecord {
  const parsed = RingRecord.safeParse(parseJson(bytes));
  if (!parsed.success) return { ok: false, reason: "malformed" };
  const ring = Buffer.from(parsed.data.ring, "utf8");
  const signature = Buffer.from(parsed.data.signature, "base64url");
  const signed = ringRecordBytes(ring);
  if (!signers.some((nkey) => verifyNkey(nkey, signed, signature))) return { ok: false, reason: "signature" };
  return decodeRing(ring, env);
}

/** @throws ZodError for a ring that could not be read again: such a one is never stored */
export function encodeRecord(ring: Ring, identity: Identity): Uint8Array {
  const bytes = encodeRing(ring);
  const signature = Buffer.from(identity.sign(ringRecordBytes(bytes))).toString("base64url");
  return Buffer.from(JSON.stringify({ v: 1, ring: Buffer.from(bytes).toString("utf8"), signature }), "utf8");
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > RECORD_BYTES_MAX) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
