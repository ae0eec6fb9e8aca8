import { createSecretKey, hash, type KeyObject, randomBytes } from "node:crypto";
import { hkdfSha256 } from "./keys/hkdf.ts";
import type { Clock } from "./ports.ts";

export const NOISE_BYTES = 512;
const SALT = "scbe/v1/noise";

/**
 * What every refusal looks like: bytes that look random, and come no sooner than a fixed floor after the envelope's
 * arrival. The same envelope gets the same noise for as long as the process lives, so asking twice tells nothing.
 */
export class Noise {
  readonly #key: KeyObject;
  readonly #floorMs: number;
  readonly #clock: Clock;

  constructor(floorMs: number, clock: Clock) {
    const raw = randomBytes(32);
    this.#key = createSecretKey(raw);
    raw.fill(0);
    this.#floorMs = floorMs;
    this.#clock = clock;
  }

  /** True when whoever asked must have been answered by now. */
  isOverdue(arrivedAt: number): boolean {
    return this.#clock.monotonic() - arrivedAt >= this.#floorMs;
  }

  /**
   * The noise for these bytes, at the floor; made before the wait, so that what it costs does not show. Timers count whole
   * milliseconds from when they are set: waiting by them alone would add to the floor what the refusal took.
   */
  async answer(received: Uint8Array, arrivedAt: number): Promise<Uint8Array> {
    const noise = hkdfSha256(this.#key, SALT, hash("sha256", received, "buffer"), NOISE_BYTES);
    for (let left = this.#leftMs(arrivedAt); left > 0; left = this.#leftMs(arrivedAt)) {
      const wholeMs = Math.floor(left);
      await new Promise((resolve) => (wholeMs > 0 ? setTimeout(resolve, wholeMs) : setImmediate(resolve)));
    }
    return noise;
  }

  #leftMs(arrivedAt: number): number {
    return arrivedAt + this.#floorMs - this.#clock.monotonic();
  }
}
