import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const OPTIONS = { authTagLength: 16 } as const;

/** What AES-256-GCM gives back, not put together. */
export interface RawSealed {
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** AES-256-GCM under a KeyObject, with a nonce that counts, and nothing else. */
export class RawCipher {
  readonly #key: KeyObject = createSecretKey(randomBytes(32));
  #counter = 0;

  seal(aad: Uint8Array, body: Uint8Array): RawSealed {
    const nonce = Buffer.alloc(12);
    this.#counter += 1;
    nonce.writeUInt32BE(this.#counter, 8);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, OPTIONS).setAAD(aad);
    const ciphertext = cipher.update(body);
    cipher.final();
    return { nonce, ciphertext, tag: cipher.getAuthTag() };
  }

  open(aad: Uint8Array, { nonce, ciphertext, tag }: RawSealed): Buffer {
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, OPTIONS).setAAD(aad).setAuthTag(tag);
    const body = decipher.update(ciphertext);
    decipher.final();
    return body;
  }
}
