import { setTimeout as delay } from "node:timers/promises";
import { allStores, ScbeError } from "@scbe/contracts";
import {
  type JetStreamClient,
  type JetStreamManager,
  type MsgRequest,
  type NatsConnection,
  NatsError,
  type StoredMsg,
} from "nats";
import {
  type Acknowledged,
  BATCH_BYTES,
  BATCH_MAX,
  type Bucket,
  type StoreBus,
  type StoredMessage,
  type StreamBounds,
  type StreamReader,
} from "../store-bus.ts";
import { NatsBucket } from "./bucket.ts";
import { isMissingStream, toScbeError } from "./errors.ts";
import { NatsBus, type NatsBusOptions } from "./nats-bus.ts";

const JETSTREAM_TIMEOUT_MS = 3000;
const BUCKET_POLL_MS = 250;

/** The {@link StoreBus}, on a connection of its own. */
export class NatsStoreBus extends NatsBus implements StoreBus {
  readonly #jetstream: JetStreamClient;

  constructor(connection: NatsConnection, options: NatsBusOptions) {
    super(connection, options);
    this.#jetstream = connection.jetstream({ timeout: JETSTREAM_TIMEOUT_MS, checkAPI: false });
  }

  async bucket(name: string, { signal }: { signal?: AbortSignal } = {}): Promise<Bucket> {
    await this.#waitForBucket(name, signal);
    const kv = await this.#jetstream.views.kv(name, { bindOnly: true, allow_direct: true });
    return new NatsBucket(name, kv, {
      log: this.options.log,
      stream: this.stream(`KV_${name}`),
      onReconnect: (listener) => this.onReconnect(listener),
      assertConnected: (doing) => this.assertConnected(doing),
    });
  }

  async publishAcknowledged(
    subject: string,
    data: Uint8Array,
    options: { id: string; timeoutMs: number; expectedLastSequence?: number },
  ): Promise<Acknowledged> {
    this.assertConnected(`publish to ${subject}`);
    const { id, timeoutMs, expectedLastSequence: lastSequence } = options;
    const expect = lastSequence === undefined ? {} : { expect: { lastSequence } };
    try {
      const { seq, duplicate } = await this.#jetstream.publish(subject, data, {
        msgID: id,
        timeout: timeoutMs,
        ...expect,
      });
      return { seq, duplicate };
    } catch (error) {
      throw this.toError(error, subject);
    }
  }

  stream(name: string): StreamReader {
    const options = { checkAPI: false, timeout: JETSTREAM_TIMEOUT_MS };
    return new NatsStream(name, {
      manager: () => this.connection.jetstreamManager(options),
      assertConnected: (doing) => this.assertConnected(doing),
    });
  }

  /** Waits for provisioning, which creates the bucket. Reads the first key: every user of the bucket may, and a missing key is fine. @throws ScbeError ABORTED */
  async #waitForBucket(name: string, signal: AbortSignal | undefined): Promise<void> {
    const subject = `$JS.API.DIRECT.GET.KV_${name}.$KV.${name}.${firstKeyOf(name)}`;
    for (let waits = 0; ; waits += 1) {
      try {
        await this.connection.request(subject, undefined, { timeout: JETSTREAM_TIMEOUT_MS });
        return;
      } catch (error) {
        const { code } = toScbeError(error, `look for bucket ${name}`);
        if (waits === 0) this.options.log.info({ bucket: name, code }, "waiting for a bucket");
      }
      try {
        await delay(BUCKET_POLL_MS, undefined, signal && { signal });
      } catch (cause) {
        throw toScbeError(cause, `wait for bucket ${name}`);
      }
    }
  }
}

/** Any key, for a bucket that is not in the table. */
function firstKeyOf(bucket: string): string {
  const store = allStores().find((it) => it.kind === "bucket" && it.bucket === bucket);
  return store?.kind === "bucket" ? store.keys[0] : "any";
}

/** Messages that are read concurrently: a message may have 128 KiB. */
const AT_ONCE = 32;

/** What a stream uses of its bus. */
interface StreamPorts {
  manager(): Promise<JetStreamManager>;
  /** @throws ScbeError DISCONNECTED */
  assertConnected(doing: string): void;
}

/** Reads a stream's messages; it needs the rights to `STREAM.INFO` and `STREAM.MSG.GET` only. */
class NatsStream implements StreamReader {
  readonly #name: string;
  readonly #ports: StreamPorts;

  constructor(name: string, ports: StreamPorts) {
    this.#name = name;
    this.#ports = ports;
  }

  bounds(): Promise<StreamBounds> {
    return this.#doing("describe", async (manager) => {
      const { config, created, state } = await manager.streams.info(this.#name);
      return {
        created: String(created),
        first: state.first_seq,
        last: state.last_seq,
        messages: state.messages,
        bytes: state.bytes,
        bytesMax: config.max_bytes,
      };
    });
  }

  get(seq: number): Promise<StoredMessage | undefined> {
    return this.#read({ seq });
  }

  next(seq: number, subject = ">"): Promise<StoredMessage | undefined> {
    return this.#read({ seq, next_by_subj: subject });
  }

  /** Reads some messages at a time: one by one costs a round trip each, and all at once holds all their bytes in memory. */
  async batch(from: number, last: number): Promise<readonly StoredMessage[]> {
    const first = from > last ? undefined : await this.next(from);
    if (first === undefined) return [];
    const end = Math.min(last, first.seq + BATCH_MAX - 1);
    const messages = [first];
    let bytes = first.data.length;
    for (let seq = first.seq + 1; seq <= end && bytes < BATCH_BYTES; seq += AT_ONCE) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, end - seq + 1) }, (_, n) => seq + n);
      const read = (await Promise.all(numbers.map((it) => this.get(it)))).filter((it) => it !== undefined);
      bytes += read.reduce((sum, { data }) => sum + data.length, 0);
      messages.push(...read);
    }
    return messages;
  }

  #read(which: MsgRequest | NextRequest): Promise<StoredMessage | undefined> {
    return this.#doing("read", async (manager) => {
      try {
        // The library's type lacks the form with a subject, which servers have since 2.9.
        return toStored(await manager.streams.getMessage(this.#name, which as MsgRequest));
      } catch (error) {
        if (isMissingMessage(error)) return undefined;
        throw error;
      }
    });
  }

  async #doing<T>(verb: string, work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    const doing = `${verb} stream ${this.#name}`;
    this.#ports.assertConnected(doing);
    try {
      return await work(await this.#ports.manager());
    } catch (error) {
      if (!isMissingStream(error)) throw toScbeError(error, doing);
      throw new ScbeError("NOT_READY", `${doing}: there is no such stream; has provisioning run?`, {
        cause: error,
      });
    }
  }
}

/** The first message from that number on; `>` is any subject. */
interface NextRequest {
  readonly seq: number;
  readonly next_by_subj: string;
}

function toStored({ seq, subject, data, time }: StoredMsg): StoredMessage {
  return { seq, subject, data, at: time.getTime() };
}

function isMissingMessage(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === 10_037;
}
