import type { Logger } from "@scbe/runtime";
import type { KvEntry, QueuedIterator } from "nats";
import type { BucketEntry } from "../store-bus.ts";
import { toBucketEntry } from "./nats-bucket.ts";

export interface KeyWatchOptions {
  read(): Promise<BucketEntry | undefined>;
  changes(): Promise<QueuedIterator<KvEntry>>;
  listener(entry: BucketEntry | undefined): void;
  readonly log: Logger;
  readonly reconcileMs: number;
}

/**
 * Follows one key by a watch, which is fast, and by reading it again after each reconnect and every few seconds, which
 * is sure: across a half-open link or a restart of the server a watch alone can lose the newest update.
 */
export class KeyWatch implements AsyncDisposable {
  readonly #options: KeyWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #iterator: QueuedIterator<KvEntry> | undefined;
  /** 0: the key is absent; `undefined`: nothing was delivered yet. */
  #delivered: number | undefined;
  /** What the last read said, when it was older than what was delivered. */
  #older: number | undefined;
  #generation = 0;
  #ended = false;

  constructor(options: KeyWatchOptions) {
    this.#options = options;
  }

  /** Watches and reads anew. */
  restart(): void {
    if (this.#ended) return;
    this.#iterator?.stop();
    this.#iterator = undefined;
    clearTimeout(this.#timer);
    this.#generation += 1;
    void this.#reconcile(this.#generation);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#generation += 1;
    clearTimeout(this.#timer);
    this.#iterator?.stop();
  }

  async #reconcile(generation: number): Promise<void> {
    try {
      if (this.#iterator === undefined) await this.#follow(generation);
      const entry = await this.#options.read();
      if (generation === this.#generation) this.#onRead(entry);
    } catch (error) {
      this.#options.log.debug({ err: error }, "the key could not be read; trying again");
    }
    if (generation !== this.#generation) return;
    this.#timer = setTimeout(() => void this.#reconcile(generation), this.#options.reconcileMs);
  }

  async #follow(generation: number): Promise<void> {
    const iterator = await this.#options.changes();
    if (generation !== this.#generation) {
      iterator.stop();
      return;
    }
    this.#iterator = iterator;
    void this.#consume(iterator);
  }

  async #consume(iterator: QueuedIterator<KvEntry>): Promise<void> {
    try {
      for await (const change of iterator) {
        if (iterator === this.#iterator) this.#deliver(toBucketEntry(change), change.revision);
      }
    } catch (error) {
      this.#options.log.debug({ err: error }, "the watch ended; it is made anew");
    }
    if (iterator === this.#iterator) this.#iterator = undefined;
  }

  /**
   * A read can overtake or come from a replica that lags, and so be older than what the watch has told. It counts when
   * the next one says the same: then the bucket itself has gone back, as after a restore.
   */
  #onRead(entry: BucketEntry | undefined): void {
    const revision = entry?.revision ?? 0;
    const goesBack = this.#delivered !== undefined && revision < this.#delivered;
    if (goesBack && this.#older !== revision) {
      this.#older = revision;
      return;
    }
    this.#deliver(entry, revision);
  }

  #deliver(entry: BucketEntry | undefined, revision: number): void {
    this.#older = undefined;
    const seen = entry === undefined ? 0 : revision;
    if (seen === this.#delivered) return;
    this.#delivered = seen;
    try {
      this.#options.listener(entry);
    } catch (error) {
      this.#options.log.error({ err: error }, "a listener for a key failed");
    }
  }
}
