import type { Readable } from "node:stream";
import { type Reading, type ReadLimits, readStart, type StartRead } from "./read-start.ts";

export interface ReadingLimits extends ReadLimits {
  /** Posts that are read at once. */
  readonly postsMax: number;
  /** Bytes that are kept of all of them. */
  readonly totalBytesMax: number;
}

/**
 * Posts that are being read. A new one is always read: where there are too many posts or bytes, the oldest reading is finished early, with
 * what was read of it. So posts that never end keep no other post away, and memory stays bounded.
 */
export class ReadingPosts {
  readonly #limits: ReadingLimits;
  /** The oldest first. */
  readonly #readings = new Set<Reading>();

  constructor(limits: ReadingLimits) {
    this.#limits = limits;
  }

  /** Reads a post, as far as it comes within the limits. Never rejects. */
  async read(post: Readable): Promise<StartRead> {
    const reading = readStart(post, this.#limits, () => this.#makeRoom());
    this.#readings.add(reading);
    this.#makeRoom();
    const start = await reading.start;
    this.#readings.delete(reading);
    return start;
  }

  #makeRoom(): void {
    const { postsMax, totalBytesMax } = this.#limits;
    let bytes = 0;
    for (const { bytesKept } of this.#readings) bytes += bytesKept;
    for (const reading of this.#readings) {
      if (this.#readings.size <= postsMax && bytes <= totalBytesMax) return;
      bytes -= reading.bytesKept;
      this.#readings.delete(reading);
      reading.finishEarly();
    }
  }
}
