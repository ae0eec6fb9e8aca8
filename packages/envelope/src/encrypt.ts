import { createCipheriv, type KeyObject } from "node:crypto";
import { TAG_BYTES } from "./wire.ts";

/**
 * Encrypts `body` into `bytes`, whose first `aadBytes` are authenticated beside it: the ciphertext and then its tag go
 * behind them, and fill `bytes` to its end. The nonce must never have been used with this key.
 */
export function encrypt(
  key: KeyObject,
  nonce: Uint8Array,
  body: Uint8Array,
  { bytes, aadBytes }: { readonly bytes: Uint8Array; readonly aadBytes: number },
): void {
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(bytes.subarray(0, aadBytes));
  bytes.set(cipher.update(body), aadBytes);
  cipher.final();
  bytes.set(cipher.getAuthTag(), aadBytes + body.length);
}
