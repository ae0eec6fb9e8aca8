/**
 * A service's connection into the account of its own store: the only one with JetStream. No other process is in that account, so nothing
 * that the bus carries can reach what is stored.
 */
export interface StoreBus extends AsyncDisposable {
  /** `false` from the moment the link is noticed to be down until it is back. */
  readonly connected: boolean;

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

  /** Reads a stream's messages without a consumer. */
  stream(name: string): StreamReader;
}

/** A KV bucket. Revisions start at 1; they are for compare-and-set only, never a fence across restarts. */
export interface Bucket {
  get(key: string): Promise<BucketEntry | undefined>;
  /** The values of a key since it was last deleted, newest first; the bucket keeps a few. */
  history(key: string): Promise<readonly BucketEntry[]>;
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

/** One value of a key. */
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

/** Numbers that one batch covers. */
export const BATCH_MAX = 256;
/** Bytes of messages after which a batch ends; the messages that are read together with the last one may be in it, too. */
export const BATCH_BYTES = 512 * 1024;

/**
 * The messages of a JetStream stream, where it is stored or through the service that keeps it. All calls throw ScbeError: TIMEOUT,
 * DISCONNECTED, NOT_READY when there is no such stream or nothing answers, FORBIDDEN.
 */
export interface StreamSource {
  bounds(): Promise<StreamBounds>;
  /**
   * The next messages from number `from` up to `last`, in order, {@link BATCH_MAX} numbers and about {@link BATCH_BYTES} at most; empty:
   * there are none. What is not there up to the stream's last number never comes: the stream has dropped it.
   */
  batch(from: number, last: number): Promise<readonly StoredMessage[]>;
}

/** A stream where it is stored. */
export interface StreamReader extends StreamSource {
  /** `undefined`: there is no message of that number, or none any more. */
  get(seq: number): Promise<StoredMessage | undefined>;
  /** The first message of that number or a later one, of any subject unless told; numbers have gaps where messages are gone. */
  next(seq: number, subject?: string): Promise<StoredMessage | undefined>;
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
