import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { createSeed, importSeed, type NkeyKind, type NkeySeed } from "@scbe/bus";
import { ScbeError } from "@scbe/contracts";
import { isOpenToOthers, ownFolder, takeLock, whyNotOwn } from "@scbe/runtime";

/** The private nkey in `path`, which is created if it does not exist. @throws ScbeError FORBIDDEN if it holds another kind, or other users may read it */
export function keepOrCreateSeed(path: string, kind: NkeyKind = "user"): NkeySeed {
  if (!existsSync(path)) replaceFile(path, createSeed(kind));
  const seed = importSeed(readSecret(path).trim());
  if (seed?.kind !== kind) throw new ScbeError("FORBIDDEN", `${path} holds no valid ${kind} seed`);
  return seed;
}

/** The content of a secret file. @throws ScbeError FORBIDDEN if other users may read or change it */
export function readSecret(path: string): string {
  const why = whyNotOwn(path);
  if (why !== undefined) throw new ScbeError("FORBIDDEN", why);
  if (isOpenToOthers(statSync(path).mode)) throw new ScbeError("FORBIDDEN", `other users may read ${path}`);
  return readFileSync(path, "utf8");
}

/** Creates a folder that only its owner may enter. @throws ScbeError BAD_REQUEST for a folder of another user */
export function makePrivateFolder(path: string): void {
  ownFolder(path);
  chmodSync(path, 0o700);
}

/** Writes a file unless it has that content already, so that processes that follow the file need not read it again. */
export function keepFile(path: string, content: string): void {
  if (!existsSync(path) || readFileSync(path, "utf8") !== content) replaceFile(path, content);
}

/** Replaces the whole file or nothing, even if the machine stops meanwhile. */
export function replaceFile(path: string, content: string | Uint8Array): void {
  const fresh = `${path}.${process.pid}.new`;
  const file = openSync(fresh, "w", 0o600);
  try {
    writeSync(file, Buffer.from(content));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/**
 * Keeps other processes from changing a folder until disposal.
 * @throws ScbeError CONFLICT while another process holds it
 */
export function holdFolder(folder: string): Disposable {
  const lock = takeLock(folder);
  if (lock.kind === "held") throw new ScbeError("CONFLICT", `process ${lock.pid} is changing ${folder}`);
  return { [Symbol.dispose]: () => lock.release() };
}
