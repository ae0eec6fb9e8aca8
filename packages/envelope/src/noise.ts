import { createSecretKey, hash, type KeyObject } from "node:crypto";
import { hkdfSha256 } from "./keys.ts";
import type { Clock, Random } from "./ports.ts";
import { SYSTEM_RANDOM } from "./random-pool.ts";

export const NOISE_BYTES = 512;
const SALT = "scbe/v1/noise";

/** The answer to a refused envelope, to be sent no sooner than `notBefore`. */
export interface HeldNoise {
  /** 512 bytes. */
  readonly data: Uint8Array;
  /** Monotonic ms. The distance from the arrival is the same for every reason; a further delay must not depend on the reason either. */
  readonly notBefore: number;
}

/**
 * The answer to every refused envelope: bytes that look random, sent no sooner than a fixed floor after the envelope's
 * arrival. An envelope gets the same noise each time while the process lives, so sending it twice reveals nothing.
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

  /** True if the floor has passed. */
  isOverdue(arrivedAt: number): boolean {
    return this.#clock.monotonic() - arrivedAt >= this.#floorMs;
  }

  /** The noise for these bytes, and when it may be sent. */
  answer(received: Uint8Array, arrivedAt: number): HeldNoise {
    const data = hkdfSha256(this.#key, SALT, hash("sha256", received, "buffer"), NOISE_BYTES);
    return { data, notBefore: arrivedAt + this.#floorMs };
  }
}
