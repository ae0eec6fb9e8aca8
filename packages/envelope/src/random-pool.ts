import { randomFillSync } from "node:crypto";
import type { Random } from "./ports.ts";

const POOL_BYTES = 4080;

/** The operating system's generator. Only tests against vectors use another source. */
export const SYSTEM_RANDOM: Random = { fill: (bytes) => void randomFillSync(bytes) };

/** Draws random bytes in bulk, since each draw is expensive. Bytes that were taken are wiped from the pool. */
export class RandomPool {
  readonly #pool = Buffer.alloc(POOL_BYTES);
  readonly #random: Random;
  #at = POOL_BYTES;

  constructor(random: Random = SYSTEM_RANDOM) {
    this.#random = random;
  }

  /** `bytes` fresh random bytes as base64url. */
  takeBase64Url(bytes: number): string {
    if (this.#at + bytes > POOL_BYTES) {
      this.#random.fill(this.#pool);
      this.#at = 0;
    }
    const end = this.#at + bytes;
    const text = this.#pool.toString("base64url", this.#at, end);
    this.#pool.fill(0, this.#at, end);
    this.#at = end;
    return text;
  }
}
