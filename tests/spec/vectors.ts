import { readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

/** A file of docs/spec/vectors. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(join(ROOT, `docs/spec/vectors/${name}.json`), "utf8")) as T;
}

export function unhex(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** One vector of docs/spec/vectors, run on the product's own readers. */
export interface SpecCase {
  /** The file of the vector, without its extension. */
  readonly file: string;
  readonly name: string;
  /** Throws if the outcome differs from the vector's. */
  readonly run: () => void | Promise<void>;
}
