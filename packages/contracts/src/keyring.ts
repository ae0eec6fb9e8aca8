import { z } from "zod";
import { exactBase64Url } from "./exact-base64url.ts";
import { Generation, Time } from "./integers.ts";
import { ENVIRONMENTS, Name } from "./names.ts";
import { PublicNkey } from "./nkey.ts";

/** active: seals and opens. decrypt-only: opens until its end. retired, compromised: nothing, wiped at once. */
export const KEY_STATES = ["active", "decrypt-only", "retired", "compromised"] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** Request to `scbe.v1.keyring.grant.<user>.<provider>`, signed by the asker's nkey (docs/spec/envelope-v1.md, "Grants"). */
export const GrantRequest = z.strictObject({
  v: z.literal(1),
  env: z.enum(ENVIRONMENTS),
  provider: Name,
  intent: Name,
  /** empty: the active one */
  kid: z.union([z.literal(""), Name]),
  asker: PublicNkey,
  /** X25519 */
  public_key: exactBase64Url(32),
  signature: exactBase64Url(64),
});
export type GrantRequest = z.infer<typeof GrantRequest>;

/** What a grant is about; signed in RFC 8785 form. */
export const GrantMeta = z.strictObject({
  kid: Name,
  state: z.enum(KEY_STATES),
  /** when this kid stops to be used in its state; null while it is active without an end */
  not_after: Time.nullable(),
  ring_generation: Generation,
});
export type GrantMeta = z.infer<typeof GrantMeta>;

/** Answer: HPKE's `enc` and `ct` of `k_enc || k_nonce` (64 bytes), and the keyring's signature over all of it. */
export const GrantAnswer = z.strictObject({
  v: z.literal(1),
  enc: exactBase64Url(32),
  ct: exactBase64Url(80),
  meta: GrantMeta,
  signature: exactBase64Url(64),
});
export type GrantAnswer = z.infer<typeof GrantAnswer>;

/** Keys in one ring, those that are retired included. */
export const RING_KEYS_MAX = 64;

/** The ring without any key material: broadcast on `scbe.v1.keyring.ring` and answered to nobody in particular. */
export const RingState = z.strictObject({
  env: z.enum(ENVIRONMENTS),
  generation: Generation,
  keys: z
    .array(z.strictObject({ kid: Name, state: z.enum(KEY_STATES), not_after: Time.nullable() }))
    .max(RING_KEYS_MAX)
    .refine((keys) => new Set(keys.map(({ kid }) => kid)).size === keys.length, "a kid stands twice")
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
