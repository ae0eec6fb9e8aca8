import { setTimeout as delay } from "node:timers/promises";
import { allStores } from "@scbe/contracts";
import type { JetStreamClient, NatsConnection } from "nats";
import { ErrorCode as NatsCode, NatsError } from "nats";
import type {
  Acknowledged,
  Bucket,
  Bus,
  BusHeaders,
  BusMessage,
  BusService,
  ExchangeOptions,
  RequestOptions,
  ServiceDefinition,
  StreamReader,
  SubscribeOptions,
  Subscription,
} from "../bus.ts";
import type { Logger } from "../logger.ts";
import type { Registry } from "../metrics/registry.ts";
import { injectTrace } from "../tracing/propagation.ts";
import { beginSpan, requestSpan, whileIn } from "../tracing/spans.ts";
import { disconnected, tooLarge, toScbeError } from "./errors.ts";
import { Exchanges } from "./exchanges.ts";
import { encodeHeaders } from "./headers.ts";
import { followLink } from "./link.ts";
import { NatsBucket } from "./nats-bucket.ts";
import { NatsService } from "./nats-service.ts";
import { NatsStream } from "./nats-stream.ts";
import { Received } from "./received.ts";
import { request } from "./request.ts";

export interface NatsBusOptions {
  readonly identity: string | undefined;
  readonly inboxPrefix: string;
  readonly log: Logger;
  readonly drainTimeoutMs: number;
  /** Where the endpoints of its services are shown. */
  readonly metrics?: Registry | undefined;
  /** True when the link satisfies what the transport demands; asked after every reconnect. */
  isAcceptable(): boolean;
  isEncrypted(): boolean;
  onSubscriptionRefused?(subject: string): void;
}

/** The {@link Bus} over one connection of the client library. */
export class NatsBus implements Bus {
  readonly #connection: NatsConnection;
  readonly #options: NatsBusOptions;
  readonly #exchanges: Exchanges;
  readonly #jetstream: JetStreamClient;
  readonly #onConnection = new Set<(connected: boolean) => void>();
  readonly #onReconnect = new Set<() => void>();
  readonly #owned = new Set<AsyncDisposable>();
  /** Subjects of subscriptions: those that some part cannot do without, and those that all can. */
  readonly #needed = new Set<string>();
  readonly #optional = new Set<string>();
  #connected = true;
  #maxPayload: number;
  #disposing: Promise<void> | undefined;
  #roundTrip: Promise<number | undefined> | undefined;

  constructor(connection: NatsConnection, options: NatsBusOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#maxPayload = connection.info?.max_payload ?? 0;
    this.#exchanges = new Exchanges(connection, options.inboxPrefix, options.log);
    this.#jetstream = connection.jetstream({ timeout: JETSTREAM_TIMEOUT_MS, checkAPI: false });
    void followLink(connection, options.log, {
      onDown: () => this.#down(),
      onUp: () => this.#up(),
      onRefused: (operation, subject) => this.#refused(operation, subject),
    });
    void connection.closed().then(() => this.#down());
  }

  get connected(): boolean {
    return this.#connected;
  }

  get encrypted(): boolean {
    return this.#options.isEncrypted();
  }

  get maxPayload(): number {
    return this.#maxPayload;
  }

  get identity(): string | undefined {
    return this.#options.identity;
  }

  publish(subject: string, data: Uint8Array, headers?: BusHeaders): void {
    this.#send(subject, data, headers, undefined);
  }

  async request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage> {
    if (options.traced === false) return this.#request(subject, data, options, options.headers);
    const span = requestSpan(subject, data.length, beginSpan);
    return whileIn(span, () =>
      this.#request(subject, data, options, { ...options.headers, ...injectTrace() }),
    );
  }

  #request(
    subject: string,
    data: Uint8Array,
    options: RequestOptions,
    headers: BusHeaders | undefined,
  ): Promise<BusMessage> {
    return request(this.#exchanges, subject, options, (reply) => this.#send(subject, data, headers, reply));
  }

  exchange(subject: string, data: Uint8Array, options: ExchangeOptions): Disposable {
    const exchanges = this.#exchanges;
    const token = exchanges.open({
      subject,
      ignoresNoResponders: false,
      onAnswer: (message) => options.onAnswer(message),
      onFailure: (error) => options.onFailure(error),
    });
    try {
      this.#send(subject, data, options.headers, exchanges.replyTo(token));
    } catch (error) {
      exchanges.close(token);
      throw error;
    }
    return { [Symbol.dispose]: () => exchanges.close(token) };
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    { queue, optional = false }: SubscribeOptions = {},
  ): Subscription {
    if (optional) this.#optional.add(subject);
    else this.#needed.add(subject);
    const subscription = this.#connection.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error, message) => {
        if (error === null) this.#guarded(subject, () => handler(new Received(message)));
      },
    });
    return this.#own({
      subject,
      drain: async () => {
        if (!subscription.isClosed() && !this.#connection.isClosed()) await subscription.drain();
      },
    });
  }

  onReconnect(listener: () => void): Disposable {
    this.#onReconnect.add(listener);
    return { [Symbol.dispose]: () => void this.#onReconnect.delete(listener) };
  }

  onConnection(listener: (connected: boolean) => void): Disposable {
    this.#onConnection.add(listener);
    return { [Symbol.dispose]: () => void this.#onConnection.delete(listener) };
  }

  async bucket(name: string, { signal }: { signal?: AbortSignal } = {}): Promise<Bucket> {
    await this.#waitForBucket(name, signal);
    const kv = await this.#jetstream.views.kv(name, { bindOnly: true, allow_direct: true });
    return new NatsBucket(name, kv, {
      log: this.#options.log,
      onReconnect: (listener) => this.onReconnect(listener),
      assertConnected: (doing) => this.#assertConnected(doing),
    });
  }

  async publishAcknowledged(
    subject: string,
    data: Uint8Array,
    {
      id,
      timeoutMs,
      expectedLastSequence: lastSequence,
    }: { id: string; timeoutMs: number; expectedLastSequence?: number },
  ): Promise<Acknowledged> {
    const doing = `publish to ${subject}`;
    this.#assertConnected(doing);
    const expect = lastSequence === undefined ? {} : { expect: { lastSequence } };
    try {
      const options = { msgID: id, timeout: timeoutMs, ...expect };
      const { seq, duplicate } = await this.#jetstream.publish(subject, data, options);
      return { seq, duplicate };
    } catch (error) {
      throw this.#toError(error, subject);
    }
  }

  stream(name: string): StreamReader {
    const options = { checkAPI: false, timeout: JETSTREAM_TIMEOUT_MS };
    return new NatsStream(name, {
      manager: () => this.#connection.jetstreamManager(options),
      assertConnected: (doing) => this.#assertConnected(doing),
    });
  }

  service(definition: ServiceDefinition): BusService {
    const { log, drainTimeoutMs, metrics } = this.#options;
    const service = new NatsService(this.#connection, definition, {
      log,
      drainTimeoutMs,
      metrics,
      respond: (reply, data, headers) => this.#send(reply, data, headers, undefined),
      onDisposed: () => this.#owned.delete(service),
    });
    this.#owned.add(service);
    return service;
  }

  async flush(): Promise<void> {
    this.#assertConnected("flush");
    await this.#connection.flush().catch((error: unknown) => {
      throw toScbeError(error, "flush");
    });
  }

  roundTripMs(): Promise<number | undefined> {
    // One at a time: while the server does not answer, questions would pile up.
    this.#roundTrip ??= this.#measureRoundTrip().finally(() => {
      this.#roundTrip = undefined;
    });
    return this.#roundTrip;
  }

  async #measureRoundTrip(): Promise<number | undefined> {
    if (!this.#connected) return undefined;
    const startedAt = performance.now();
    return this.#connection.flush().then(
      () => performance.now() - startedAt,
      () => undefined,
    );
  }

  /** Subscriptions end, handlers finish, what was written leaves, the connection closes; each within its deadline. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await Promise.all([...this.#owned].map((owned) => owned[Symbol.asyncDispose]()));
    if (!this.#connection.isClosed() && this.#connected) {
      await Promise.race([
        this.#connection.drain().catch(() => undefined),
        delay(CLOSE_TIMEOUT_MS, undefined, { ref: false }),
      ]);
    }
    await this.#connection.close();
    this.#down();
  }

  #send(subject: string, data: Uint8Array, headers: BusHeaders | undefined, reply: string | undefined): void {
    if (!this.#connected) throw disconnected(`publish to ${subject}`);
    try {
      this.#connection.publish(subject, data, {
        ...(reply !== undefined && { reply }),
        ...(headers !== undefined && { headers: encodeHeaders(headers) }),
      });
    } catch (error) {
      throw this.#toError(error, subject);
    }
  }

  #toError(error: unknown, subject: string): Error {
    const isOversize = error instanceof NatsError && error.code === NatsCode.MaxPayloadExceeded;
    return isOversize ? tooLarge(subject, this.#maxPayload) : toScbeError(error, `publish to ${subject}`);
  }

  #assertConnected(doing: string): void {
    if (!this.#connected) throw disconnected(doing);
  }

  #own({ subject, drain }: { subject: string; drain(): Promise<void> }): Subscription {
    const owned: Subscription = {
      subject,
      [Symbol.asyncDispose]: async () => {
        this.#owned.delete(owned);
        await drain();
      },
    };
    this.#owned.add(owned);
    return owned;
  }

  #guarded(subject: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.log.error({ subject, err: error }, "a handler of a subscription failed");
    }
  }

  /** Provisioning makes buckets; a service that is faster than it waits here. @throws ScbeError ABORTED */
  /** By reading of its first key, which is a right that everybody has who has to do with a bucket; whether the key is there is all the same. */
  async #waitForBucket(name: string, signal: AbortSignal | undefined): Promise<void> {
    const subject = `$JS.API.DIRECT.GET.KV_${name}.$KV.${name}.${firstKeyOf(name)}`;
    for (let waits = 0; ; waits += 1) {
      try {
        await this.#connection.request(subject, undefined, { timeout: JETSTREAM_TIMEOUT_MS });
        return;
      } catch (error) {
        const { code } = toScbeError(error, `look for bucket ${name}`);
        if (waits === 0) this.#options.log.info({ bucket: name, code }, "waiting for a bucket");
      }
      try {
        await delay(BUCKET_POLL_MS, undefined, signal && { signal });
      } catch (cause) {
        throw toScbeError(cause, `wait for bucket ${name}`);
      }
    }
  }

  #down(): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#exchanges.failAll(disconnected("wait for an answer"));
    this.#tell(false);
  }

  #up(): void {
    if (!this.#options.isAcceptable()) {
      this.#options.log.fatal("the server offers no TLS any more, and this connection demands it");
      void this.#connection.close();
      return;
    }
    this.#connected = true;
    this.#maxPayload = this.#connection.info?.max_payload ?? this.#maxPayload;
    this.#tell(true);
    for (const listener of [...this.#onReconnect]) this.#guarded("reconnect", listener);
  }

  #tell(connected: boolean): void {
    const { log } = this.#options;
    if (connected) log.info("NATS is back");
    else if (this.#disposing === undefined) log.warn("NATS is away");
    for (const listener of [...this.#onConnection]) this.#guarded("connection", () => listener(connected));
  }

  #refused(operation: "publish" | "subscription", subject: string): void {
    if (operation === "subscription") {
      if (this.#optional.has(subject) && !this.#needed.has(subject)) return;
      this.#options.onSubscriptionRefused?.(subject);
    } else
      this.#exchanges.failAll(
        toScbeError(new NatsError("", NatsCode.PermissionsViolation), `publish to ${subject}`),
        subject,
      );
  }
}

/** Of a bucket that is none of ours, any. */
function firstKeyOf(bucket: string): string {
  const store = allStores().find((it) => it.kind === "bucket" && it.bucket === bucket);
  return store?.kind === "bucket" ? store.keys[0] : "any";
}

const JETSTREAM_TIMEOUT_MS = 3000;
const BUCKET_POLL_MS = 250;
const CLOSE_TIMEOUT_MS = 2000;
