import type { SubjectToken } from "@scbe/contracts";
import type { Rate } from "@scbe/runtime";

/**
 * The bus as the rest of SCBE sees it. Only `bus`, `credentials` and the testkit import the NATS client, so that a change
 * of client library is a change of one folder.
 */
export interface Bus extends AsyncDisposable {
  /** `false` from the moment the link is noticed to be down until it is back. Publishing while down is refused. */
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
   * One question, one answer; a span of the active trace, which travels with it.
   * @throws ScbeError NO_RESPONDERS, TIMEOUT, ABORTED, DISCONNECTED, TOO_LARGE, or the code that the other side's
   *   service-error headers carry.
   */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage>;

  /**
   * One question, any number of answers, delivered as they come; the shape that `accepted`, then the answer, needs.
   * Nothing is thrown after the call itself: a missing responder or a lost connection arrives as `onFailure`, once.
   * @throws ScbeError DISCONNECTED, TOO_LARGE
   */
  exchange(subject: string, data: Uint8Array, options: ExchangeOptions): Disposable;

  /** A plain subscription; survives reconnects. `await using`, or dispose: no more messages, those in hand finish. */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: SubscribeOptions,
  ): Subscription;

  /** Runs after every re-established connection: re-read what a watch may have lost. */
  onReconnect(listener: () => void): Disposable;
  /** Runs whenever {@link connected} changes. */
  onConnection(listener: (connected: boolean) => void): Disposable;

  /** Announces a NATS service (`nats micro ls`) and serves its endpoints while it is joined. */
  service(definition: ServiceDefinition): BusService;

  /** Waits until everything written so far has reached the server. */
  flush(): Promise<void>;

  /**
   * Milliseconds to the server and back; `undefined` once the link is known to be down, which takes some seconds where the
   * server just stops to answer. Whoever asks meanwhile shares the question.
   */
  roundTripMs(): Promise<number | undefined>;
}

/** Header names are written as given; NATS headers are case-sensitive. */
export type BusHeaders = Readonly<Record<string, string>>;

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Where an answer goes, or `undefined` when none is wanted. */
  readonly reply: string | undefined;
  /** The first value of a header, by its exact name. */
  header(name: string): string | undefined;
}

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly headers?: BusHeaders;
  readonly signal?: AbortSignal;
  /**
   * Sends the question again when there is no answer after this many ms, because a frozen member of the queue group swallows what it was
   * given; for idempotent questions alone. The first answer wins. A number doubles after each send, so that a slow group is not flooded. A
   * function gets the number of sends so far (from 1), and returns the ms until the next one.
   */
  readonly againAfterMs?: number | ((asked: number) => number);
  /** `false`: this question has no span of its own, as when it is asked for many requests at once. */
  readonly traced?: boolean;
}

export interface ExchangeOptions {
  readonly headers?: BusHeaders;
  onAnswer(message: BusMessage): void;
  onFailure(error: Error): void;
}

export interface SubscribeOptions {
  readonly queue?: string;
  /** The process does without it where the server refuses it. */
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
  /** The subject served; each `*` in it stands for one name. Endpoints of SCBE take it, `tokens` and `askers` from `servedAs`. */
  readonly subject: string;
  /** What the last tokens of a received subject stand for; they are handed on under these names. */
  readonly tokens?: readonly SubjectToken[];
  /** The roles that may ask; an answer goes to no other role's inbox. Any role unless told. */
  readonly askers?: readonly string[];
  readonly handler: (request: EndpointRequest) => Promise<EndpointAnswer> | EndpointAnswer;
  /**
   * Handlers at work at once; above it the asker hears BUSY (or `onBusy`'s answer). Default 1024. Where the subject names a
   * provider each provider has that many, so that requests for one cannot take the places of another.
   */
  readonly concurrency?: number;
  /** `user`: each user has its own {@link concurrency} (for each provider), so that one user's flood takes no other's places. */
  readonly placesOf?: "provider" | "user";
  /** Requests that each user may make; above it that user hears BUSY, and above twice that nothing. Without a limit unless told. */
  readonly userRate?: Rate;
  readonly onBusy?: () => EndpointAnswer;
  /**
   * Which messages have a span: those that name a trace (`join`, the default), all of them (`begin`: a trace may begin here),
   * or none, as when many requests travel in one.
   */
  readonly trace?: "join" | "begin" | "none";
}

export interface EndpointRequest extends BusMessage {
  /** The asking user, which its permission binds; "" where the subject carries none. */
  readonly user: string;
  /** The provider that the subject names; "" where it names none. */
  readonly provider: string;
  /** The intent that the subject names; "" where it names none. */
  readonly intent: string;
  /** Monotonic ms (`performance.now()`) at which the message was received. */
  readonly arrivedAt: number;
  /** Aborts when the service drains past its deadline. */
  readonly signal: AbortSignal;
  /** An answer before the answer, e.g. `accepted`. */
  respondEarly(answer: EndpointAnswer): void;
}

/** `undefined`: no answer at all (the request was none of ours to answer). A thrown ScbeError becomes a service error. */
export type EndpointAnswer =
  | {
      readonly data: Uint8Array;
      readonly headers?: BusHeaders;
      /**
       * Monotonic ms (`performance.now()`) before which it is not sent. It waits in a pool of its own, and the request's place is
       * free meanwhile. The pool is bounded: when it is full, the answer that is due first is not sent at all.
       */
      readonly notBefore?: number;
    }
  | undefined;

export interface BusService extends AsyncDisposable {
  /**
   * Enters the queue groups; idempotent. A service that is not ready stays out, and callers hear `no responders`.
   * Resolves when it is in, or could not get in: {@link joined} tells.
   */
  join(): Promise<void>;
  /** Leaves the queue groups; what is in flight is still answered. Idempotent. */
  leave(): Promise<void>;
  readonly joined: boolean;
  /** Handlers at work. */
  readonly inFlight: number;
}
