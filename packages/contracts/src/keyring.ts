import { z } from "zod";
import { exactBase64Url, Generation, Time } from "./message.ts";
import { ENVIRONMENTS, Name } from "./names.ts";
import { PublicNkey } from "./nkey.ts";

/** active: seals and opens. decrypt-only: opens until its end. retired, compromised: wiped at once. */
export const KEY_STATES = ["active", "decrypt-only", "retired", "compromised"] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** Request to `scbe.v1.keyring.grant.<user>.<provider>`, signed by the requester's nkey (docs/spec/envelope-v1.md, "Grants"). */
export const GrantRequest = z.strictObject({
  v: z.literal(1),
  env: z.enum(ENVIRONMENTS),
  provider: Name,
  intent: Name,
  /** Empty for the active key. */
  kid: z.union([z.literal(""), Name]),
  asker: PublicNkey,
  /** X25519 */
  public_key: exactBase64Url(32),
  signature: exactBase64Url(64),
});
export type GrantRequest = z.infer<typeof GrantRequest>;

/** The key of a grant; signed in RFC 8785 form. */
export const GrantMeta = z.strictObject({
  kid: Name,
  state: z.enum(KEY_STATES),
  /** When this kid's state ends; null for an active one without an end. */
  not_after: Time.nullable(),
  ring_generation: Generation,
});
export type GrantMeta = z.infer<typeof GrantMeta>;

/** The answer: HPKE's `enc` and `ct` of `k_enc || k_nonce` (64 bytes), and the keyring's signature over all of it. */
export const GrantAnswer = z.strictObject({
  v: z.literal(1),
  enc: exactBase64Url(32),
  ct: exactBase64Url(80),
  meta: GrantMeta,
  signature: exactBase64Url(64),
});
export type GrantAnswer = z.infer<typeof GrantAnswer>;

/** How many keys one ring can hold, retired ones included. */
export const RING_KEYS_MAX = 64;

/** The ring without key material, as broadcast on `scbe.v1.keyring.ring`. */
export const RingState = z.strictObject({
  env: z.enum(ENVIRONMENTS),
  generation: Generation,
  keys: z
    .array(z.strictObject({ kid: Name, state: z.enum(KEY_STATES), not_after: Time.nullable() }))
    .max(RING_KEYS_MAX)
    .refine((keys) => new Set(keys.map(({ kid }) => kid)).size === keys.length, "a kid is repeated")
    .refine(
      (keys) => keys.filter(({ state }) => state === "active").length <= 1,
      "more than one key is active",
    ),
});
export type RingState = z.infer<typeof RingState>;

/** The broadcast: `payload` is the RFC 8785 form of a {@link RingState}, signed by the keyring's nkey. */
export const SignedRing = z.strictObject({
  v: z.literal(1),
  payload: z.string(),
  signature: exactBase64Url(64),
});
export type SignedRing = z.infer<typeof SignedRing>;
