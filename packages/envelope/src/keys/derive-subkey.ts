import type { KeyObject } from "node:crypto";
import { lp } from "../lp.ts";
import { hkdfSha256 } from "./hkdf.ts";

/** What a subkey belongs to: no two contexts share one, and none can be had from another's. */
export interface KeyContext {
  readonly env: string;
  readonly provider: string;
  readonly intent: string;
}

/** Sealing and opening · nonce prefixes · MACs and pseudonyms of the audit log. */
export type SubkeyName = "k_enc" | "k_nonce" | "k_log";

export const SUBKEY_BYTES = 32;
const SALT = "scbe/v1";

/** `HKDF(ikm, "scbe/v1", LP(name) LP(env) LP(provider) LP(intent), 32)`; 32 bytes, the caller's to zero. */
export function deriveSubkey(name: SubkeyName, ikm: KeyObject, context: KeyContext): Buffer {
  const { env, provider, intent } = context;
  return hkdfSha256(ikm, SALT, lp(name, env, provider, intent), SUBKEY_BYTES);
}

/** `k_enc || k_nonce`, 64 bytes: what a grant carries. The caller's to zero. */
export function deriveGrantMaterial(ikm: KeyObject, context: KeyContext): Buffer {
  const parts = [deriveSubkey("k_enc", ikm, context), deriveSubkey("k_nonce", ikm, context)];
  const material = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  return material;
}
