import { createDecipheriv, type KeyObject } from "node:crypto";
import { type EnvelopeParts, TAG_BYTES } from "./wire.ts";

/**
 * The body, once its tag has verified; `undefined` when it does not, and then what OpenSSL had handed out is zeroed. The
 * tag is 16 bytes, always: GCM would take a shorter one.
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
