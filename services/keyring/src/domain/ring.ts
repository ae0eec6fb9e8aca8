import {
  ENVIRONMENTS,
  type Environment,
  Generation,
  KEY_STATES,
  Name,
  RING_KEYS_MAX,
  Time,
} from "@scbe/contracts";
import { z } from "zod";

/** Bytes of a ring's record; a larger one is refused unread. */
export const RING_BYTES_MAX = 65_536;

/** One data key, wrapped by KMS. Times are ms since the Unix epoch. */
export const RingKey = z.strictObject({
  kid: Name,
  state: z.enum(KEY_STATES),
  /** when it entered its state */
  since: Time,
  /** when its state ends; null while it is active without an end */
  not_after: Time.nullable(),
  /** base64 of KMS's ciphertext; null once the key may never be opened again */
  wrapped: z.base64().max(8192).nullable(),
  /** the ARN of the KMS key that wrapped it, which alone can unwrap it */
  wrapped_by: z.string().min(1).max(512),
});
export type RingKey = z.infer<typeof RingKey>;

/** The record in KV: every data key of one environment. */
export const Ring = z
  .strictObject({
    v: z.literal(1),
    env: z.enum(ENVIRONMENTS),
    /** Rises with every change; of two rings the one with the higher generation holds. */
    generation: Generation,
    keys: z.array(RingKey).max(RING_KEYS_MAX),
  })
  .refine(({ keys }) => new Set(keys.map(({ kid }) => kid)).size === keys.length, "a kid stands twice")
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

/** True for the states that open, whatever the time. */
export function mayOpen(key: Pick<RingKey, "state">): boolean {
  return key.state === "active" || key.state === "decrypt-only";
}

export type DecodedRing =
  | { readonly ok: true; readonly ring: Ring }
  | { readonly ok: false; readonly reason: "malformed" | "env" };

/** The ring of a stored record; another environment's is refused before anything in it is used. */
export function decodeRing(bytes: Uint8Array, env: Environment): DecodedRing {
  const parsed = Ring.safeParse(parseJson(bytes));
  if (!parsed.success) return { ok: false, reason: "malformed" };
  return parsed.data.env === env ? { ok: true, ring: parsed.data } : { ok: false, reason: "env" };
}

/** @throws ZodError for a ring that could not be read again: such a one is never stored */
export function encodeRing(ring: Ring): Uint8Array {
  return Buffer.from(JSON.stringify(Ring.parse(ring)), "utf8");
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > RING_BYTES_MAX) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
