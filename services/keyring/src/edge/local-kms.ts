import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  randomUUID,
} from "node:crypto";
import { link, open, rm } from "node:fs/promises";
import { type Environment, ScbeError } from "@scbe/contracts";
import { encryptionContext, type Kms } from "../kms.ts";

const ALGORITHM = "aes-256-gcm";
const DATA_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_BYTES = NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES;
const FINGERPRINT_BYTES = 16;

/**
 * A KMS on one key file of this machine, for development. A copy is `nonce(12) || AES-256-GCM(data key) || tag(16)` with the
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

/** Identifies a key file without revealing its key. */
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

/** @param wrapped exactly {@link WRAPPED_BYTES}; the plaintext is returned only after the tag was checked */
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
    throw refused("it is for another kid or environment, or altered", cause);
  }
}

/** Each name and value with its length in two bytes before it, so that no two contexts have the same bytes. */
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

const KEY_BYTES = 32;
const FILE_BYTES_MAX = 256;
/** 43 characters for 32 bytes; the two unused bits of the last character are zero. */
const FORM = /^scbe-local-kms-1 ([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\n?$/;

/**
 * Makes a new key file for the local KMS, readable by its owner alone. The file is complete or missing, even if the machine stops in
 * between; of several processes that make it at once, one succeeds.
 * @throws the file system's error; `EEXIST` for an existing file, which is never overwritten
 */
export async function createKeyFile(path: string): Promise<void> {
  const draft = `${path}.${randomUUID()}.new`;
  try {
    await writeKey(draft);
    await link(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeKey(path: string): Promise<void> {
  const key = randomBytes(KEY_BYTES);
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(`scbe-local-kms-1 ${key.toString("base64url")}\n`);
    await file.sync();
  } finally {
    key.fill(0);
    await file.close();
  }
}

/**
 * The key of a key file.
 * @throws ScbeError BAD_REQUEST when the file is missing, readable by other users, or not a key file
 */
export async function readKeyFile(path: string): Promise<KeyObject> {
  const text = await readPrivate(path);
  const encoded = FORM.exec(text)?.[1];
  if (encoded === undefined) throw new ScbeError("BAD_REQUEST", "the local KMS's file is not a key file");
  const key = Buffer.from(encoded, "base64url");
  const imported = createSecretKey(key);
  key.fill(0);
  return imported;
}

async function readPrivate(path: string): Promise<string> {
  const file = await open(path, "r").catch((cause: unknown) => {
    throw new ScbeError("BAD_REQUEST", "the local KMS's key file cannot be read", { cause });
  });
  try {
    const { mode, size } = await file.stat();
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new ScbeError(
        "BAD_REQUEST",
        "the local KMS's key file is open to other users; it must have mode 0600",
      );
    }
    if (size > FILE_BYTES_MAX) throw new ScbeError("BAD_REQUEST", "the local KMS's file is not a key file");
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}
