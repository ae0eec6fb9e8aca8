import type { SubjectToken } from "@scbe/contracts";
import type { Rate } from "@scbe/runtime";

/**
 * The bus, as the rest of SCBE uses it. Only `bus`, `credentials` and the testkit import the NATS client, so that another client library
 * concerns one folder.
 */
export interface Bus extends AsyncDisposable {
  /** False from when the link is known to be down until it is back. Meanwhile, publishing throws. */
  readonly connected: boolean;
  /** True while the link is TLS. */
  readonly encrypted: boolean;
  /** The connection's own user, as subjects carry it. */
  readonly user: string;
  /** The server's limit for one message, in bytes (headers and data together). */
  readonly maxPayload: number;
  /** The public nkey this connection authenticated with, `undefined` on an open server. */
  readonly identity: string | undefined;

  /** Core NATS, at most once. @throws ScbeError DISCONNECTED, TOO_LARGE */
  publish(subject: string, data: Uint8Array, headers?: BusHeaders): void;

  /**
   * One request, one answer; a span of the active trace, which the message carries.
   * @throws ScbeError NO_RESPONDERS, TIMEOUT, ABORTED, DISCONNECTED, TOO_LARGE, or the code in the service-error headers
   *   of the answer.
   */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage>;

  /**
   * One request, any number of answers, delivered as they come: `accepted`, then the answer. After the call itself nothing is thrown: a missing
   * responder or a lost connection calls `onFailure`, once.
   * @throws ScbeError DISCONNECTED, TOO_LARGE
   */
  exchange(subject: string, data: Uint8Array, options: ExchangeOptions): Disposable;

  /** A plain subscription; it survives reconnects. Disposing ends it after the handlers of received messages. */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: SubscribeOptions,
  ): Subscription;

  /** Runs after every reconnect: a watch may have lost changes. */
  onReconnect(listener: () => void): Disposable;
  /** Runs whenever {@link connected} changes. */
  onConnection(listener: (connected: boolean) => void): Disposable;

  /** Creates a NATS service (`nats micro ls`), which serves its endpoints while it is joined. */
  service(definition: ServiceDefinition): BusService;

  /** Waits until everything published so far has reached the server. */
  flush(): Promise<void>;

  /**
   * Milliseconds to the server and back; `undefined` once the link is known to be down, which takes some seconds if the server just stops
   * answering. Concurrent calls share one measurement.
   */
  roundTripMs(): Promise<number | undefined>;
}

/** Header names are written as given; NATS headers are case-sensitive. */
export type BusHeaders = Readonly<Record<string, string>>;

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** The subject for an answer; `undefined` if none is expected. */
  readonly reply: string | undefined;
  /** The first value of a header, by its exact name. */
  header(name: string): string | undefined;
}

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly headers?: BusHeaders;
  readonly signal?: AbortSignal;
  /**
   * Sends the request again if there is no answer after this many ms, since a frozen member of the queue group swallows the requests that it
   * gets; for idempotent requests only. The first answer wins. A number doubles after each send, so that a slow group is not flooded. A
   * function gets the number of sends so far (from 1), and returns the ms until the next one.
   */
  readonly againAfterMs?: number | ((sends: number) => number);
  /** `false`: no span of its own, as for a request on behalf of many others. */
  readonly traced?: boolean;
}

export interface ExchangeOptions {
  readonly headers?: BusHeaders;
  onAnswer(message: BusMessage): void;
  onFailure(error: Error): void;
}

export interface SubscribeOptions {
  readonly queue?: string;
  /** The process works without it if the server refuses it. */
  readonly optional?: boolean;
}

export interface Subscription extends AsyncDisposable {
  readonly subject: string;
}

export interface ServiceDefinition {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly queue: string;
  readonly endpoints: readonly EndpointDefinition[];
}

export interface EndpointDefinition {
  readonly name: string;
  /** The served subject; each `*` in it matches one name. Endpoints of SCBE take it, `tokens` and `askers` from `servedAs`. */
  readonly subject: string;
  /** The meaning of the last tokens of a received subject; the request has them under these names. */
  readonly tokens?: readonly SubjectToken[];
  /** The roles of callers; an answer goes to no other role's inbox. Default: any role. */
  readonly askers?: readonly string[];
  readonly handler: (request: EndpointRequest) => Promise<EndpointAnswer> | EndpointAnswer;
  /**
   * The most handlers that run at once; further requests get BUSY (or `onBusy`'s answer). Default 1024. If the subject names a provider, each
   * provider has that many, so that requests for one cannot take the places of another.
   */
  readonly concurrency?: number;
  /** `user`: each user has its own {@link concurrency} (for each provider), so that a flood of one user takes no other user's places. */
  readonly placesOf?: "provider" | "user";
  /** The rate of each user's requests; above it that user gets BUSY, and above twice the rate no answer. Default: no limit. */
  readonly userRate?: Rate;
  readonly onBusy?: () => EndpointAnswer;
  /**
   * Which messages have a span: those that name a trace (`join`, the default), all of them (`begin`: a trace may begin here), or none, as for
   * messages that carry many requests.
   */
  readonly trace?: "join" | "begin" | "none";
}

export interface EndpointRequest extends BusMessage {
  /** The user that sent it, bound by its permissions; "" if the subject has none. */
  readonly user: string;
  /** The provider in the subject; "" if it has none. */
  readonly provider: string;
  /** The intent in the subject; "" if it has none. */
  readonly intent: string;
  /** Monotonic ms (`performance.now()`) at which the message was received. */
  readonly arrivedAt: number;
  /** Aborts when the service drains past its deadline. */
  readonly signal: AbortSignal;
  /** Sends an answer before the answer, e.g. `accepted`. */
  respondEarly(answer: EndpointAnswer): void;
}

/** `undefined`: no answer at all. A thrown ScbeError becomes a service error. */
export type EndpointAnswer =
  | {
      readonly data: Uint8Array;
      readonly headers?: BusHeaders;
      /**
       * Monotonic ms (`performance.now()`) before which it is not sent. It waits in a pool, and the request's place is free meanwhile. If the
       * pool is full, the answer that is due first is dropped.
       */
      readonly notBefore?: number;
    }
  | undefined;

export interface BusService extends AsyncDisposable {
  /**
   * Joins the queue groups; idempotent. A service that is not ready stays out, and callers get `no responders`. Resolves when it has joined or
   * failed to: see {@link joined}.
   */
  join(): Promise<void>;
  /** Leaves the queue groups; requests in flight are still answered. Idempotent. */
  leave(): Promise<void>;
  readonly joined: boolean;
  /** Running handlers. */
  readonly inFlight: number;
}
