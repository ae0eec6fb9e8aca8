import { isScbeError } from "@scbe/contracts";
import type { Bucket, Bus } from "./bus.ts";
import type { Logger } from "./logger.ts";

export interface LookUpOptions {
  readonly bus: Pick<Bus, "bucket">;
  readonly log: Logger;
  readonly bucket: string;
  readonly key: string;
  /** Runs when a reading begins; what it returns takes the value that was found, if one was. */
  begin(): (value: Uint8Array) => void;
}

/**
 * Reads one key of a bucket, now and then: no watch, which could lose the newest, and would need a right that readers must not have. It waits for
 * a bucket that is not there, and keeps nobody waiting meanwhile.
 */
export class LookUp implements Disposable {
  readonly #options: LookUpOptions;
  readonly #closing = new AbortController();
  #bucket: Bucket | undefined;
  #reading: Promise<void> | undefined;
  #isWanted = false;

  constructor(options: LookUpOptions) {
    this.#options = options;
  }

  /** Reads once from now on; what is called for while one reads is one reading more. Resolves when that has ended, whatever came of it. */
  read(): Promise<void> {
    this.#isWanted = true;
    this.#reading ??= this.#run();
    return this.#reading;
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    while (this.#isWanted && !this.#closing.signal.aborted) {
      this.#isWanted = false;
      await this.#readOnce().catch((error: unknown) => {
        const code = isScbeError(error) ? error.code : "INTERNAL";
        const { log, bucket, key } = this.#options;
        log.debug({ code, bucket, key }, "a stored value could not be read");
      });
    }
    this.#reading = undefined;
  }

  async #readOnce(): Promise<void> {
    const { bus, bucket, key, begin } = this.#options;
    this.#bucket ??= await bus.bucket(bucket, { signal: this.#closing.signal });
    const take = begin();
    const entry = await this.#bucket.get(key);
    if (entry !== undefined && !this.#closing.signal.aborted) take(entry.value);
  }
}
