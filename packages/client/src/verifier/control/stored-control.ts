import { BUCKETS, isScbeError, KV_KEYS } from "@scbe/contracts";
import type { Bucket, Bus, Logger } from "@scbe/service-kit";

export interface StoredControlOptions {
  readonly bus: Bus;
  readonly log: Logger;
  /** Takes the document that is stored, as JSON. */
  offer(bytes: Uint8Array): void;
}

/**
 * Reads the control document from its bucket, now and then: no watch, which could lose the newest, and would need a right that
 * verifiers must not have. It waits for a bucket that is not there, and keeps nobody waiting meanwhile.
 */
export class StoredControl implements Disposable {
  readonly #options: StoredControlOptions;
  readonly #closing = new AbortController();
  #bucket: Bucket | undefined;
  #isReading = false;
  #isWanted = false;

  constructor(options: StoredControlOptions) {
    this.#options = options;
  }

  /** Reads once from now on; what is called for while one reads is one reading more. */
  read(): void {
    this.#isWanted = true;
    if (!this.#isReading) void this.#run();
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    this.#isReading = true;
    while (this.#isWanted && !this.#closing.signal.aborted) {
      this.#isWanted = false;
      await this.#readOnce().catch((error: unknown) => {
        const code = isScbeError(error) ? error.code : "INTERNAL";
        this.#options.log.debug({ code }, "the stored control document could not be read");
      });
    }
    this.#isReading = false;
  }

  async #readOnce(): Promise<void> {
    const { bus, offer } = this.#options;
    this.#bucket ??= await bus.bucket(BUCKETS.control, { signal: this.#closing.signal });
    const entry = await this.#bucket.get(KV_KEYS.control);
    if (entry !== undefined && !this.#closing.signal.aborted) offer(entry.value);
  }
}
