import { z } from "zod";
import { ENVIRONMENTS, Name } from "./names.ts";

const Base64Url = z
  .string()
  .regex(/^[A-Za-z0-9_-]*$/)
  .max(1024);
/** A user's public nkey, `U` and 55 characters of base32. */
export const PublicNkey = z.string().regex(/^U[A-Z2-7]{55}$/);

/** active: seals and opens. decrypt-only: opens until its end. retired, compromised: nothing, wiped at once. */
export const KEY_STATES = ["active", "decrypt-only", "retired", "compromised"] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** Question to `scbe.v1.keyring.grant.<provider>`, signed by the asker's nkey (docs/spec/envelope-v1.md, "Grants"). */
export const GrantQuestion = z.strictObject({
  v: z.literal(1),
  env: z.enum(ENVIRONMENTS),
  provider: Name,
  intent: Name,
  /** empty: the active one */
  kid: z.union([z.literal(""), Name]),
  asker: PublicNkey,
  public_key: Base64Url,
  signature: Base64Url,
});
export type GrantQuestion = z.infer<typeof GrantQuestion>;

/** What a grant is about; signed in RFC 8785 form. Times are ms since the Unix epoch. */
export const GrantMeta = z.strictObject({
  kid: Name,
  state: z.enum(KEY_STATES),
  /** when this kid stops to be used in its state; null while it is active without an end */
  not_after: z.int().nullable(),
  ring_generation: z.int(),
});
export type GrantMeta = z.infer<typeof GrantMeta>;

/** Answer: HPKE's `enc` and `ct` of `k_enc || k_nonce` (64 bytes), and the keyring's signature over all of it. */
export const GrantAnswer = z.strictObject({
  v: z.literal(1),
  enc: Base64Url,
  ct: Base64Url,
  meta: GrantMeta,
  signature: Base64Url,
});
export type GrantAnswer = z.infer<typeof GrantAnswer>;

/** The ring without any key material: broadcast on `scbe.v1.keyring.ring` and answered to nobody in particular. */
export const RingState = z.strictObject({
  env: z.enum(ENVIRONMENTS),
  generation: z.int(),
  keys: z
    .array(z.strictObject({ kid: Name, state: z.enum(KEY_STATES), not_after: z.int().nullable() }))
    .max(64),
});
export type RingState = z.infer<typeof RingState>;

/** The broadcast: `payload` is the RFC 8785 form of a {@link RingState}, signed by the keyring's nkey. */
export const SignedRing = z.strictObject({
  v: z.literal(1),
  payload: z.string().max(16384),
  signature: Base64Url,
});
export type SignedRing = z.infer<typeof SignedRing>;
