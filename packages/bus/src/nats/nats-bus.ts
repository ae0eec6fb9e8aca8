import { setTimeout as delay } from "node:timers/promises";
import { Listeners, type Logger, type MetricsRegistry } from "@scbe/runtime";
import { ErrorCode as NatsCode, type NatsConnection, NatsError } from "nats";
import type {
  Bus,
  BusHeaders,
  BusMessage,
  BusService,
  ExchangeOptions,
  RequestOptions,
  ServiceDefinition,
  SubscribeOptions,
  Subscription,
} from "../bus.ts";
import { injectTrace, requestSpan } from "../tracing/messages.ts";
import { beginSpan, whileIn } from "../tracing/spans.ts";
import { disconnected, tooLarge, toScbeError } from "./errors.ts";
import { Exchanges, request } from "./exchanges.ts";
import { encodeHeaders, ReceivedMessage } from "./message.ts";
import { followLink, type Reconnecting } from "./reconnecting.ts";
import { NatsService } from "./service.ts";

export interface NatsBusOptions {
  readonly user: string;
  readonly identity: string | undefined;
  readonly inboxPrefix: string;
  readonly log: Logger;
  readonly drainTimeoutMs: number;
  /** Gets the metrics of the endpoints of its services. */
  readonly metrics?: MetricsRegistry | undefined;
  readonly reconnecting: Reconnecting;
  isEncrypted(): boolean;
  onSubscriptionRefused?(subject: string): void;
}

/** The {@link Bus} on one connection of the client library. `NatsStoreBus` adds JetStream to it. */
export class NatsBus implements Bus {
  protected readonly connection: NatsConnection;
  protected readonly options: NatsBusOptions;
  readonly #exchanges: Exchanges;
  readonly #onConnection = this.#listeners<[connected: boolean]>("connection");
  readonly #onReconnect = this.#listeners("reconnect");
  readonly #owned = new Set<AsyncDisposable>();
  /** Subjects of subscriptions that are required, and of those that are optional; a subject may be both. */
  readonly #needed = new Set<string>();
  readonly #optional = new Set<string>();
  #connected = true;
  #maxPayload: number;
  #disposing: Promise<void> | undefined;
  #roundTrip: Promise<number | undefined> | undefined;

  constructor(connection: NatsConnection, options: NatsBusOptions) {
    this.connection = connection;
    this.options = options;
    this.#maxPayload = connection.info?.max_payload ?? 0;
    this.#exchanges = new Exchanges(connection, options.inboxPrefix, options.log);
    void followLink(connection, options.reconnecting, options.log, {
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
    return this.options.isEncrypted();
  }

  get maxPayload(): number {
    return this.#maxPayload;
  }

  get user(): string {
    return this.options.user;
  }

  get identity(): string | undefined {
    return this.options.identity;
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
    const subscription = this.connection.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error, message) => {
        if (error !== null) return;
        try {
          handler(new ReceivedMessage(message));
        } catch (defect) {
          this.#handlerFailed(subject, defect);
        }
      },
    });
    return this.#own({
      subject,
      drain: async () => {
        if (!subscription.isClosed() && !this.connection.isClosed()) await subscription.drain();
      },
    });
  }

  onReconnect(listener: () => void): Disposable {
    return this.#onReconnect.add(listener);
  }

  onConnection(listener: (connected: boolean) => void): Disposable {
    return this.#onConnection.add(listener);
  }

  service(definition: ServiceDefinition): BusService {
    const { log, drainTimeoutMs, metrics } = this.options;
    const service = new NatsService(this.connection, definition, {
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
    this.assertConnected("flush");
    await this.connection.flush().catch((error: unknown) => {
      throw toScbeError(error, "flush");
    });
  }

  roundTripMs(): Promise<number | undefined> {
    // One at a time: while the server does not answer, measurements would pile up.
    this.#roundTrip ??= this.#measureRoundTrip().finally(() => {
      this.#roundTrip = undefined;
    });
    return this.#roundTrip;
  }

  async #measureRoundTrip(): Promise<number | undefined> {
    if (!this.#connected) return undefined;
    const startedAt = performance.now();
    return this.connection.flush().then(
      () => performance.now() - startedAt,
      () => undefined,
    );
  }

  /** Subscriptions end, handlers finish, published messages are sent, the connection closes; each within its deadline. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await Promise.all([...this.#owned].map((owned) => owned[Symbol.asyncDispose]()));
    if (!this.connection.isClosed() && this.#connected) {
      await Promise.race([
        this.connection.drain().catch(() => undefined),
        delay(CLOSE_TIMEOUT_MS, undefined, { ref: false }),
      ]);
    }
    await this.connection.close();
    this.#down();
  }

  #send(subject: string, data: Uint8Array, headers: BusHeaders | undefined, reply: string | undefined): void {
    if (!this.#connected) throw disconnected(`publish to ${subject}`);
    try {
      this.connection.publish(subject, data, {
        ...(reply !== undefined && { reply }),
        ...(headers !== undefined && { headers: encodeHeaders(headers) }),
      });
    } catch (error) {
      throw this.toError(error, subject);
    }
  }

  protected toError(error: unknown, subject: string): Error {
    const isOversize = error instanceof NatsError && error.code === NatsCode.MaxPayloadExceeded;
    return isOversize ? tooLarge(subject, this.#maxPayload) : toScbeError(error, `publish to ${subject}`);
  }

  protected assertConnected(doing: string): void {
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

  /** @param subject names the listeners in the log */
  #listeners<Args extends readonly unknown[] = []>(subject: string): Listeners<Args> {
    return new Listeners((error) => this.#handlerFailed(subject, error));
  }

  #handlerFailed(subject: string, error: unknown): void {
    this.options.log.error({ subject, err: error }, "a handler of a subscription failed");
  }

  #down(): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#exchanges.failAll(disconnected("wait for an answer"));
    this.#report(false);
  }

  #up(): void {
    this.#connected = true;
    this.#maxPayload = this.connection.info?.max_payload ?? this.#maxPayload;
    this.#report(true);
    this.#onReconnect.notify();
  }

  #report(connected: boolean): void {
    const { log } = this.options;
    if (connected) log.info("NATS is back");
    else if (this.#disposing === undefined) log.warn("NATS is away");
    this.#onConnection.notify(connected);
  }

  #refused(operation: "publish" | "subscription", subject: string): void {
    if (operation === "subscription") {
      if (this.#optional.has(subject) && !this.#needed.has(subject)) return;
      this.options.onSubscriptionRefused?.(subject);
    } else
      this.#exchanges.failAll(
        toScbeError(new NatsError("", NatsCode.PermissionsViolation), `publish to ${subject}`),
        subject,
      );
  }
}

const CLOSE_TIMEOUT_MS = 2000;
