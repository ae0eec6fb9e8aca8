import { BUCKET_HISTORY } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { type KV, type KvEntry, NatsError } from "nats";
import type { Bucket, BucketEntry, StreamReader } from "../store-bus.ts";
import { toScbeError } from "./errors.ts";
import { KeyWatch } from "./key-watch.ts";

/** What a bucket needs of its bus. */
export interface BucketPorts {
  readonly log: Logger;
  /** The stream behind it. */
  readonly stream: Pick<StreamReader, "next">;
  onReconnect(listener: () => void): Disposable;
  /** @throws ScbeError DISCONNECTED */
  assertConnected(doing: string): void;
}

/** A KV bucket over the client library's. */
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

  /** Message by message, so that it takes no consumer. */
  async history(key: string): Promise<readonly BucketEntry[]> {
    const subject = `$KV.${this.#name}.${key}`;
    const found: BucketEntry[] = [];
    for (let from = 1; found.length < BUCKET_HISTORY; ) {
      const message = await this.#ports.stream.next(from, subject);
      if (message === undefined) break;
      // A deletion holds no value, and what was before it is not the key's any more.
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

/** A deleted key reads like one that never was. */
export function toBucketEntry(entry: KvEntry | null): BucketEntry | undefined {
  if (entry === null || entry.operation !== "PUT") return undefined;
  return { value: entry.value, revision: entry.revision };
}

/** True when the server says that there is no such stream. */
export function isMissingStream(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === 10_059;
}
