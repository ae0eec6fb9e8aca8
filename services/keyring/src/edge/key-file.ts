import { createSecretKey, type KeyObject, randomBytes, randomUUID } from "node:crypto";
import { link, open, rm } from "node:fs/promises";
import { ScbeError } from "@scbe/contracts";

const KEY_BYTES = 32;
const FILE_BYTES_MAX = 256;
/** 43 characters for 32 bytes; the last one has two bits that belong to none, and are zero. */
const FORM = /^scbe-local-kms-1 ([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\n?$/;

/**
 * Makes a new key file for the local KMS, readable by its owner alone. It is there whole or not at all, also when the
 * machine stops in between, and of several that make it at once one wins.
 * @throws the file system's error; `EEXIST` when there is a file already, which is never overwritten
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
 * @throws ScbeError BAD_REQUEST when the file is missing, open to others, or no key file
 */
export async function readKeyFile(path: string): Promise<KeyObject> {
  const text = await readPrivate(path);
  const encoded = FORM.exec(text)?.[1];
  if (encoded === undefined) throw new ScbeError("BAD_REQUEST", "the local KMS's file is no key file");
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
        "the local KMS's key file is open to others; it must have mode 0600",
      );
    }
    if (size > FILE_BYTES_MAX) throw new ScbeError("BAD_REQUEST", "the local KMS's file is no key file");
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}
