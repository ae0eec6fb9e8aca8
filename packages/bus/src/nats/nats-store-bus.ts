import { setTimeout as delay } from "node:timers/promises";
import { allStores } from "@scbe/contracts";
import type { JetStreamClient, NatsConnection } from "nats";
import type { Acknowledged, Bucket, StoreBus, StreamReader } from "../store-bus.ts";
import { toScbeError } from "./errors.ts";
import { NatsBucket } from "./nats-bucket.ts";
import { NatsBus, type NatsBusOptions } from "./nats-bus.ts";
import { NatsStream } from "./nats-stream.ts";

const JETSTREAM_TIMEOUT_MS = 3000;
const BUCKET_POLL_MS = 250;

/** The {@link StoreBus} over a connection of its own. */
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

  /** Provisioning makes buckets, and a service may be faster. A read of the first key tells: a missing key is fine. @throws ScbeError ABORTED */
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

/** Any key of a bucket that the table does not have. */
function firstKeyOf(bucket: string): string {
  const store = allStores().find((it) => it.kind === "bucket" && it.bucket === bucket);
  return store?.kind === "bucket" ? store.keys[0] : "any";
}
