import { randomFillSync } from "node:crypto";

const POOL_BYTES = 4080;

/** Random bytes drawn many at a time, since a draw costs more than its bytes. What is taken is wiped from the pool. */
export class RandomPool {
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #at = POOL_BYTES;

  /** `bytes` fresh random bytes as base64url. */
  takeBase64Url(bytes: number): string {
    if (this.#at + bytes > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#at = 0;
    }
    const end = this.#at + bytes;
    const text = this.#pool.toString("base64url", this.#at, end);
    this.#pool.fill(0, this.#at, end);
    this.#at = end;
    return text;
  }
}
