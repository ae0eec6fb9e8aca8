import { z } from "zod";
import { ENVIRONMENTS, Name } from "./names.ts";

/** Bytes of an event. */
export const NONCE_REUSE_BYTES_MAX = 1024;

/** Event on `scbe.v1.security.nonce_reuse.<provider>`: two different envelopes under one (session, counter). */
export const NonceReuseEvent = z.strictObject({
  v: z.literal(1),
  /** deduplication id: the same reuse reported twice is one event */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/),
  env: z.enum(ENVIRONMENTS),
  provider: Name,
  /** base64url of the first 8 bytes of SHA-256(session_id): enough to correlate, no use to an attacker */
  session: z.string().max(64),
  counter: z.int(),
  seen_at: z.int(),
});
export type NonceReuseEvent = z.infer<typeof NonceReuseEvent>;
