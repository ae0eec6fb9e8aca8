import { createSecretKey, type KeyObject } from "node:crypto";
import { ScbeError } from "@scbe/contracts";
import { type KeyContext, SUBKEY_BYTES } from "./derive-subkey.ts";

/** The subkeys of one (kid, env, provider, intent). As KeyObjects they are fast and cannot be printed by accident. */
export interface Subkeys extends KeyContext {
  readonly kid: string;
  readonly encKey: KeyObject;
  readonly nonceKey: KeyObject;
}

/**
 * Imports what a grant carried, `k_enc || k_nonce`, and zeroes it, also when it throws.
 * @throws ScbeError BAD_REQUEST when the material is not 64 bytes
 */
export function importSubkeys(names: KeyContext & { readonly kid: string }, material: Uint8Array): Subkeys {
  if (material.length !== 2 * SUBKEY_BYTES) {
    material.fill(0);
    throw new ScbeError("BAD_REQUEST", "a grant's material is k_enc and k_nonce, 64 bytes");
  }
  const { env, provider, intent, kid } = names;
  const encKey = createSecretKey(material.subarray(0, SUBKEY_BYTES));
  const nonceKey = createSecretKey(material.subarray(SUBKEY_BYTES));
  material.fill(0);
  return { env, provider, intent, kid, encKey, nonceKey };
}
