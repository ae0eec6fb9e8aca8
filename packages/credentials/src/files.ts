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

/** The private nkey in `path`, which is made where there is none. @throws ScbeError FORBIDDEN when it holds another kind, or others may read it */
export function keepOrCreateSeed(path: string, kind: NkeyKind = "user"): NkeySeed {
  if (!existsSync(path)) replaceFile(path, createSeed(kind));
  const seed = importSeed(readSecret(path).trim());
  if (seed?.kind !== kind) throw new ScbeError("FORBIDDEN", `${path} holds no valid ${kind} seed`);
  return seed;
}

/** What a file holds that its owner alone may read. @throws ScbeError FORBIDDEN when others may read or change it */
export function readSecret(path: string): string {
  const why = whyNotOwn(path);
  if (why !== undefined) throw new ScbeError("FORBIDDEN", why);
  if (isOpenToOthers(statSync(path).mode)) throw new ScbeError("FORBIDDEN", `others may read ${path}`);
  return readFileSync(path, "utf8");
}

/** Makes a folder that its owner alone may enter. @throws ScbeError BAD_REQUEST for a folder of another user */
export function makePrivateFolder(path: string): void {
  ownFolder(path);
  chmodSync(path, 0o700);
}

/** Writes a file unless it holds that already. A process that reads a file again when it changes then has no reason to. */
export function keepFile(path: string, content: string): void {
  if (!existsSync(path) || readFileSync(path, "utf8") !== content) replaceFile(path, content);
}

/** Whole or not at all, also when the machine stops in between. */
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
 * Keeps other processes from changing a folder until it is disposed of.
 * @throws ScbeError CONFLICT while another one does
 */
export function holdFolder(folder: string): Disposable {
  const lock = takeLock(folder);
  if (lock.kind === "held") throw new ScbeError("CONFLICT", `process ${lock.pid} is changing ${folder}`);
  return { [Symbol.dispose]: () => lock.release() };
}
