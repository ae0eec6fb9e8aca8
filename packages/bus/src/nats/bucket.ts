import { BUCKET_HISTORY } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import type { KV, KvEntry, QueuedIterator } from "nats";
import type { Bucket, BucketEntry, StreamReader } from "../store-bus.ts";
import { toScbeError } from "./errors.ts";

/** What a bucket uses of its bus. */
export interface BucketPorts {
  readonly log: Logger;
  /** The stream behind it. */
  readonly stream: Pick<StreamReader, "next">;
  onReconnect(listener: () => void): Disposable;
  /** @throws ScbeError DISCONNECTED */
  assertConnected(doing: string): void;
}

/** A KV bucket of the client library. */
export class NatsBucket implements Bucket {
  readonly #name: string;
  readonly #kv: KV;
  readonly #ports: BucketPorts;

  constructor(name: string, kv: KV, ports: BucketPorts) {
    this.#name = name;
    this.#kv = kv;
    this.#ports = ports;
  }

  async get(key: string): Promise<BucketEntry | undefined> {
    return this.#doing(`read ${this.#name}/${key}`, async () => toBucketEntry(await this.#kv.get(key)));
  }

  /** Reads message by message, so that it needs no consumer. */
  async history(key: string): Promise<readonly BucketEntry[]> {
    const subject = `$KV.${this.#name}.${key}`;
    const found: BucketEntry[] = [];
    for (let from = 1; found.length < BUCKET_HISTORY; ) {
      const message = await this.#ports.stream.next(from, subject);
      if (message === undefined) break;
      // A deletion has no value, and ends the history before it.
      if (message.data.length === 0) found.length = 0;
      else found.unshift({ value: message.data, revision: message.seq });
      from = message.seq + 1;
    }
    return found;
  }

  create(key: string, value: Uint8Array): Promise<number> {
    return this.#doing(`create ${this.#name}/${key}`, () => this.#kv.create(key, value));
  }

  update(key: string, value: Uint8Array, revision: number): Promise<number> {
    return this.#doing(`update ${this.#name}/${key}`, () => this.#kv.update(key, value, revision));
  }

  watch(
    key: string,
    listener: (entry: BucketEntry | undefined) => void,
    options: { reconcileMs?: number } = {},
  ): AsyncDisposable {
    const watch = new KeyWatch({
      read: () => this.get(key),
      changes: () => this.#kv.watch({ key }),
      listener,
      log: this.#ports.log.child({ bucket: this.#name, key }),
      reconcileMs: options.reconcileMs ?? RECONCILE_MS,
    });
    const following = this.#ports.onReconnect(() => watch.restart());
    watch.restart();
    return {
      [Symbol.asyncDispose]: async () => {
        following[Symbol.dispose]();
        await watch[Symbol.asyncDispose]();
      },
    };
  }

  async #doing<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#ports.assertConnected(what);
    try {
      return await work();
    } catch (error) {
      throw toScbeError(error, what);
    }
  }
}

const RECONCILE_MS = 5000;

/** A deleted key reads like a missing one. */
function toBucketEntry(entry: KvEntry | null): BucketEntry | undefined {
  if (entry === null || entry.operation !== "PUT") return undefined;
  return { value: entry.value, revision: entry.revision };
}

interface KeyWatchOptions {
  read(): Promise<BucketEntry | undefined>;
  changes(): Promise<QueuedIterator<KvEntry>>;
  listener(entry: BucketEntry | undefined): void;
  readonly log: Logger;
  readonly reconcileMs: number;
}

/**
 * Follows one key with a watch, which is fast, and by reading it after each reconnect and every few seconds, which is reliable: over a half-open
 * link or a restart of the server, a watch alone can lose the newest update.
 */
class KeyWatch implements AsyncDisposable {
  readonly #options: KeyWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #iterator: QueuedIterator<KvEntry> | undefined;
  /** The last delivered revision; 0: the key is missing; `undefined`: nothing was delivered yet. */
  #delivered: number | undefined;
  /** The revision of the last read, if it was older than the delivered one. */
  #older: number | undefined;
  #generation = 0;
  #ended = false;

  constructor(options: KeyWatchOptions) {
    this.#options = options;
  }

  /** Watches and reads again. */
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
      this.#options.log.debug({ err: error }, "the watch ended; it is repeated");
    }
    if (iterator === this.#iterator) this.#iterator = undefined;
  }

  /**
   * A read may be older than the watch: it can be overtaken, or come from a lagging replica. It counts if the next read confirms it: then the
   * bucket itself has gone back, as after a restore.
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
