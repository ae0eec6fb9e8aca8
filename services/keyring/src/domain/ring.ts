import {
  ENVIRONMENTS,
  type Environment,
  Generation,
  KEY_STATES,
  Name,
  RING_KEYS_MAX,
  Time,
} from "@scbe/contracts";
import { type Identity, ringRecordBytes, verifyNkey } from "@scbe/envelope/grant";
import { z } from "zod";

/** The largest ring in bytes; a larger one is refused unread. */
export const RING_BYTES_MAX = 65_536;

const RECORD_BYTES_MAX = 2 * RING_BYTES_MAX;

/** One data key, wrapped by KMS. Times are ms since the Unix epoch. */
export const RingKey = z.strictObject({
  kid: Name,
  state: z.enum(KEY_STATES),
  /** when it entered its state */
  since: Time,
  /** when its state ends; null while it is active without an end */
  not_after: Time.nullable(),
  /** base64 of KMS's ciphertext; null once the key never opens again */
  wrapped: z.base64().max(8192).nullable(),
  /** the ARN of the KMS key that wrapped it, and alone can unwrap it */
  wrapped_by: z.string().min(1).max(512),
});
export type RingKey = z.infer<typeof RingKey>;

/** Every data key of one environment. */
export const Ring = z
  .strictObject({
    v: z.literal(1),
    env: z.enum(ENVIRONMENTS),
    /** Rises with every change; of two rings the one with the higher generation is in force. */
    generation: Generation,
    keys: z.array(RingKey).max(RING_KEYS_MAX),
  })
  .refine(({ keys }) => new Set(keys.map(({ kid }) => kid)).size === keys.length, "a kid occurs twice")
  .refine(({ keys }) => keys.filter(isActive).length <= 1, "more than one key is active")
  .refine(
    ({ keys }) => keys.every((key) => !mayOpen(key) || key.wrapped !== null),
    "a key that opens has no wrapped copy",
  )
  .refine(
    ({ keys }) => keys.every((key) => key.state !== "decrypt-only" || key.not_after !== null),
    "a decrypt-only key has no end",
  );
export type Ring = z.infer<typeof Ring>;

/** True for the one state that seals. */
export function isActive(key: Pick<RingKey, "state">): boolean {
  return key.state === "active";
}

/** True for the states that open; the end of the key is not considered. */
export function mayOpen(key: Pick<RingKey, "state">): boolean {
  return key.state === "active" || key.state === "decrypt-only";
}

/** The record in KV: the ring as text, and the keyring's signature over it. */
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
 * The ring of a stored record. The signature is checked before the ring is read: a process that can write to JetStream could otherwise set
 * a revoked key active again, or plant a key.
 * @param signers public nkeys: the keyring's own, and the former one while it is being replaced
 */
export function decodeRecord(bytes: Uint8Array, env: Environment, signers: readonly string[]): DecodedRecord {
  const parsed = RingRecord.safeParse(parseJson(bytes, RECORD_BYTES_MAX));
  if (!parsed.success) return { ok: false, reason: "malformed" };
  const ring = Buffer.from(parsed.data.ring, "utf8");
  const signature = Buffer.from(parsed.data.signature, "base64url");
  const signed = ringRecordBytes(ring);
  if (!signers.some((nkey) => verifyNkey(nkey, signed, signature))) return { ok: false, reason: "signature" };
  return decodeRing(ring, env);
}

/** @throws ZodError for a ring that {@link decodeRecord} would refuse */
export function encodeRecord(ring: Ring, identity: Identity): Uint8Array {
  const bytes = encodeRing(ring);
  const signature = Buffer.from(identity.sign(ringRecordBytes(bytes))).toString("base64url");
  return Buffer.from(JSON.stringify({ v: 1, ring: Buffer.from(bytes).toString("utf8"), signature }), "utf8");
}

export type DecodedRing =
  | { readonly ok: true; readonly ring: Ring }
  | { readonly ok: false; readonly reason: "malformed" | "env" };

/** The ring of this environment; `env`: it is a ring of another one. */
export function decodeRing(bytes: Uint8Array, env: Environment): DecodedRing {
  const parsed = Ring.safeParse(parseJson(bytes, RING_BYTES_MAX));
  if (!parsed.success) return { ok: false, reason: "malformed" };
  return parsed.data.env === env ? { ok: true, ring: parsed.data } : { ok: false, reason: "env" };
}

/** @throws ZodError for a ring that {@link decodeRing} would refuse */
export function encodeRing(ring: Ring): Uint8Array {
  return Buffer.from(JSON.stringify(Ring.parse(ring)), "utf8");
}

function parseJson(bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.length > bytesMax) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
