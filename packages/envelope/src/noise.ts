import { createSecretKey, hash, type KeyObject } from "node:crypto";
import { hkdfSha256 } from "./keys/hkdf.ts";
import type { Clock, Random } from "./ports.ts";
import { SYSTEM_RANDOM } from "./random-pool.ts";

export const NOISE_BYTES = 512;
const SALT = "scbe/v1/noise";

/** The answer to an envelope that is refused, which its sender holds back until `notBefore`. */
export interface HeldNoise {
  /** 512 bytes. */
  readonly data: Uint8Array;
  /** Monotonic ms. It is the same distance from the arrival for every reason; whatever adds to it must not know the reason either. */
  readonly notBefore: number;
}

/**
 * What every refusal looks like: bytes that look random, and go out no sooner than a fixed floor after the envelope's
 * arrival. The same envelope gets the same noise for as long as the process lives, so asking twice tells nothing.
 */
export class Noise {
  readonly #key: KeyObject;
  readonly #floorMs: number;
  readonly #clock: Clock;

  constructor(floorMs: number, clock: Clock, random: Random = SYSTEM_RANDOM) {
    const raw = new Uint8Array(32);
    random.fill(raw);
    this.#key = createSecretKey(raw);
    raw.fill(0);
    this.#floorMs = floorMs;
    this.#clock = clock;
  }

  /** True when whoever asked must have been answered by now. */
  isOverdue(arrivedAt: number): boolean {
    return this.#clock.monotonic() - arrivedAt >= this.#floorMs;
  }

  /** The noise for these bytes, and when it may be sent. */
  answer(received: Uint8Array, arrivedAt: number): HeldNoise {
    const data = hkdfSha256(this.#key, SALT, hash("sha256", received, "buffer"), NOISE_BYTES);
    return { data, notBefore: arrivedAt + this.#floorMs };
  }
}
