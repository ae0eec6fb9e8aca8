import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";

/** AES-256-GCM with a KeyObject and nothing else: the least that any sealed request must pay. */
export const HOLLOW_KEY: KeyObject = createSecretKey(Buffer.alloc(32, 7));
const nonce = Buffer.alloc(12);
let counter = 0;

/** Sealed: nonce(12) || header(600, as AAD) || ciphertext || tag(16), about the size of a real envelope. */
const HEADER_BYTES = 600;
const header = Buffer.alloc(HEADER_BYTES, 0x20);

export function rawSeal(body: Uint8Array): Buffer {
  nonce.writeUInt32BE(++counter, 8);
  const cipher = createCipheriv("aes-256-gcm", HOLLOW_KEY, nonce, { authTagLength: 16 });
  cipher.setAAD(header);
  const ciphertext = cipher.update(body);
  cipher.final();
  return Buffer.concat([nonce, header, ciphertext, cipher.getAuthTag()]);
}

export function rawOpen(sealed: Uint8Array): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const tagAt = bytes.length - 16;
  const decipher = createDecipheriv("aes-256-gcm", HOLLOW_KEY, bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(bytes.subarray(12, 12 + HEADER_BYTES));
  decipher.setAuthTag(bytes.subarray(tagAt));
  const body = decipher.update(bytes.subarray(12 + HEADER_BYTES, tagAt));
  decipher.final();
  return body;
}
