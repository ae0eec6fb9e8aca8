import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TempDir extends Disposable {
  readonly path: string;
}

/** A new folder that only its owner can enter; disposing of it removes it with everything in it. */
export function createTempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), "scbe-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}
