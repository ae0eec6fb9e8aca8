import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { type EnvelopeParts, TAG_BYTES } from "./wire.ts";

/**
 * Encrypts `body` into `bytes`. The first `aadBytes` of `bytes` are authenticated as well; the ciphertext and its tag follow
 * them to the end. The nonce must never have been used with this key.
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

/**
 * The body, if the tag verifies; otherwise `undefined`, and the unverified plaintext is zeroed. The tag must have 16 bytes, since
 * GCM would accept a shorter one.
 */
export function decrypt(key: KeyObject, nonce: Uint8Array, parts: EnvelopeParts): Buffer | undefined {
  const { aad, ciphertext, tag } = parts;
  if (tag.length !== TAG_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  const body = decipher.update(ciphertext);
  try {
    decipher.final();
    return body;
  } catch {
    body.fill(0);
    return undefined;
  }
}
