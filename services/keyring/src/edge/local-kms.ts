import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject, randomBytes } from "node:crypto";
import { type Environment, ScbeError } from "@scbe/contracts";
import { encryptionContext } from "../domain/encryption-context.ts";
import type { Kms } from "../ports.ts";

const ALGORITHM = "aes-256-gcm";
const DATA_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_BYTES = NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES;
const FINGERPRINT_BYTES = 16;

/**
 * A KMS on one key of this machine, for development. A copy is `nonce(12) || AES-256-GCM(data key) || tag(16)` with the
 * encryption context as additional data. Nonces are random (NIST SP 800-38D, section 8.2.2): one key wraps far fewer
 * than 2^32 data keys.
 */
export function localKms(key: KeyObject, env: Environment): Kms {
  const keyArn = `local:${fingerprint(key)}`;
  return {
    async generate(kid) {
      const plaintext = randomBytes(DATA_KEY_BYTES);
      return { plaintext, wrapped: wrap(key, plaintext, contextBytes(env, kid)), keyArn };
    },
    async unwrap(copy) {
      if (copy.keyArn !== keyArn) throw refused("another key wrapped it");
      if (copy.wrapped.length !== WRAPPED_BYTES) throw refused("it has another length");
      return unwrap(key, copy.wrapped, contextBytes(env, copy.kid));
    },
    [Symbol.dispose]: () => undefined,
  };
}

/** Tells one key file from another without saying anything of the key. */
function fingerprint(key: KeyObject): string {
  const salt = "scbe/local-kms/v1";
  return Buffer.from(hkdfSync("sha256", key, salt, "fingerprint", FINGERPRINT_BYTES)).toString("hex");
}

function wrap(key: KeyObject, plaintext: Uint8Array, context: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }).setAAD(context);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]);
}

/** @param wrapped exactly {@link WRAPPED_BYTES}; nothing of it leaves before its tag was checked */
function unwrap(key: KeyObject, wrapped: Uint8Array, context: Uint8Array): Buffer {
  const nonce = wrapped.subarray(0, NONCE_BYTES);
  const tag = wrapped.subarray(-TAG_BYTES);
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(context)
    .setAuthTag(tag);
  const plaintext = decipher.update(wrapped.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
    return plaintext;
  } catch (cause) {
    plaintext.fill(0);
    throw refused("it is not for this kid and environment, or altered", cause);
  }
}

/** Each name and value as its length in two bytes and then itself, so that no two contexts give the same bytes. */
function contextBytes(env: Environment, kid: string): Buffer {
  const parts = Object.entries(encryptionContext(env, kid)).flat();
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part, "utf8");
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      return [length, bytes];
    }),
  );
}

function refused(why: string, cause?: unknown): ScbeError {
  return new ScbeError("FORBIDDEN", `the local KMS refuses this copy: ${why}`, { cause });
}
