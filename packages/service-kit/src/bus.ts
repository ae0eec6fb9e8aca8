/**
 * The bus as the rest of SCBE sees it. Only `service-kit` (and the testkit) imports the NATS client, so that a change
 * of client library is a change of one folder.
 */
export interface Bus extends AsyncDisposable {
  /** `false` from the moment the link is noticed to be down until it is back. Publishing while down is refused. */
  readonly connected: boolean;
  /** True while the link is TLS. */
  readonly encrypted: boolean;
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

  /** Binds to a bucket that provisioning has made; waits for it until `signal` aborts. */
  bucket(name: string, options?: { signal?: AbortSignal }): Promise<Bucket>;

  /**
   * A JetStream publish that resolves only when the stream has acknowledged it. `id` deduplicates in the stream's window.
   * With `expectedLastSequence` it is stored only as the stream's very next message; a repetition then is a duplicate on some
   * servers, and a CONFLICT on others.
   * @throws ScbeError TIMEOUT, DISCONNECTED, NO_RESPONDERS; CONFLICT when the stream's last message is another one
   */
  publishAcknowledged(
    subject: string,
    data: Uint8Array,
    options: { id: string; timeoutMs: number; expectedLastSequence?: number },
  ): Promise<Acknowledged>;

  /** Reads a stream's messages one at a time, without a consumer. */
  stream(name: string): StreamReader;

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
   * For idempotent internal requests: ask the queue group again after this long without an answer (250 ms is the
   * design's), because a frozen member swallows what it was given. The first answer wins.
   */
  readonly againAfterMs?: number;
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

/** A KV bucket. Revisions start at 1; they are for compare-and-set only, never a fence across restarts. */
export interface Bucket {
  get(key: string): Promise<BucketEntry | undefined>;
  /** @throws ScbeError CONFLICT when the key exists */
  create(key: string, value: Uint8Array): Promise<number>;
  /** @throws ScbeError CONFLICT when the key is not at `revision` */
  update(key: string, value: Uint8Array, revision: number): Promise<number>;
  /**
   * Calls `listener` with the current value, with every change, and again after each reconnect and every
   * `reconcileMs` (default 5000), since a watch alone can lose the newest update. Same revision: not called again.
   */
  watch(
    key: string,
    listener: (entry: BucketEntry | undefined) => void,
    options?: { reconcileMs?: number },
  ): AsyncDisposable;
}

export interface BucketEntry {
  readonly value: Uint8Array;
  readonly revision: number;
}

/** What a stream has acknowledged. */
export interface Acknowledged {
  /** The message's sequence number; of the first one, where it was a duplicate. */
  readonly seq: number;
  readonly duplicate: boolean;
}

/**
 * The messages of a JetStream stream. Every call is one question to the server, and answered in the asker's own inbox.
 * All of them throw ScbeError: TIMEOUT, DISCONNECTED, NOT_READY when there is no such stream, FORBIDDEN.
 */
export interface StreamReader {
  bounds(): Promise<StreamBounds>;
  /** `undefined`: there is no message of that number, or none any more. */
  get(seq: number): Promise<StoredMessage | undefined>;
  /** The first message of that number or a later one; numbers have gaps where messages are gone. */
  next(seq: number): Promise<StoredMessage | undefined>;
}

export interface StreamBounds {
  /** When the stream was made: another one of the same name was made at another time. */
  readonly created: string;
  /** Sequence numbers. Of an empty stream `last` is the number before the next one, and `first` is not below it. */
  readonly first: number;
  readonly last: number;
  readonly messages: number;
  readonly bytes: number;
  /** Beyond it the oldest are dropped; -1: never. */
  readonly bytesMax: number;
}

export interface StoredMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the server stored it, in ms since the Unix epoch by its own clock. */
  readonly at: number;
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
  /** The subject served. With a trailing `.*` the message's last token is checked and handed on as `provider`. */
  readonly subject: string;
  readonly handler: (request: EndpointRequest) => Promise<EndpointAnswer> | EndpointAnswer;
  /**
   * Handlers at work at once; above it the asker hears BUSY (or `onBusy`'s answer). Default 1024. Where the subject ends in
   * `.*` each provider has that many: who may ask for one cannot take the places of another.
   */
  readonly concurrency?: number;
  readonly onBusy?: () => EndpointAnswer;
  /**
   * Which messages have a span: those that name a trace (`join`, the default), all of them (`begin`: a trace may begin here),
   * or none, as when many requests travel in one.
   */
  readonly trace?: "join" | "begin" | "none";
}

export interface EndpointRequest extends BusMessage {
  /** The last token of the subject where the endpoint's subject ends in `.*`, checked to be a name; else "". */
  readonly provider: string;
  /** Monotonic ms (`performance.now()`) at which the message was received. */
  readonly arrivedAt: number;
  /** Aborts when the service drains past its deadline. */
  readonly signal: AbortSignal;
  /** An answer before the answer, e.g. `accepted`. */
  respondEarly(answer: EndpointAnswer): void;
}

/** `undefined`: no answer at all (the request was none of ours to answer). A thrown ScbeError becomes a service error. */
export type EndpointAnswer = { readonly data: Uint8Array; readonly headers?: BusHeaders } | undefined;

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
