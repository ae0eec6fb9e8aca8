/**
 * A service's connection to the account of its own store: the only one with JetStream. No other process is in that account, so no message on
 * the bus can reach stored data.
 */
export interface StoreBus extends AsyncDisposable {
  /** False from when the link is known to be down until it is back. */
  readonly connected: boolean;

  /** Runs after every reconnect: a watch may have lost changes. */
  onReconnect(listener: () => void): Disposable;
  /** Runs whenever {@link connected} changes. */
  onConnection(listener: (connected: boolean) => void): Disposable;

  /** Binds to a bucket that provisioning creates; waits for it until `signal` aborts. */
  bucket(name: string, options?: { signal?: AbortSignal }): Promise<Bucket>;

  /**
   * A JetStream publish that resolves once the stream has acknowledged it. `id` deduplicates in the stream's window. With
   * `expectedLastSequence` it is stored only as the stream's next message; a repetition then is a duplicate on some servers, and a CONFLICT on
   * others.
   * @throws ScbeError TIMEOUT, DISCONNECTED, NO_RESPONDERS; CONFLICT if the stream's last message is another one
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
  /** The last values of a key since its last deletion, newest first. */
  history(key: string): Promise<readonly BucketEntry[]>;
  /** @throws ScbeError CONFLICT if the key exists */
  create(key: string, value: Uint8Array): Promise<number>;
  /** @throws ScbeError CONFLICT if the key is not at `revision` */
  update(key: string, value: Uint8Array, revision: number): Promise<number>;
  /**
   * Calls `listener` with the current value and with every change. It also reads the value after each reconnect and every `reconcileMs`
   * (default 5000), since a watch alone can lose the newest update. A revision is delivered once.
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

/** A stream's acknowledgement. */
export interface Acknowledged {
  /** The message's sequence number; for a duplicate, that of the first one. */
  readonly seq: number;
  readonly duplicate: boolean;
}

/** The most sequence numbers of one batch. */
export const BATCH_MAX = 256;
/** The bytes after which a batch ends; it also has the messages that are read together with the last one. */
export const BATCH_BYTES = 512 * 1024;

/**
 * The messages of a JetStream stream, read from the store or through the service that owns it. All calls throw ScbeError: TIMEOUT,
 * DISCONNECTED, FORBIDDEN, NOT_READY if there is no such stream or no answer.
 */
export interface StreamSource {
  bounds(): Promise<StreamBounds>;
  /**
   * The next messages from number `from` up to `last`, in order, at most {@link BATCH_MAX} numbers and about {@link BATCH_BYTES}. Empty if there are
   * none. A number that is missing below the stream's last one stays missing: the stream has dropped it.
   */
  batch(from: number, last: number): Promise<readonly StoredMessage[]>;
}

/** A stream, read from the store. */
export interface StreamReader extends StreamSource {
  /** `undefined` if there is no message of that number, or it was dropped. */
  get(seq: number): Promise<StoredMessage | undefined>;
  /** The first message from that number on, of any subject by default; dropped messages leave gaps in the numbers. */
  next(seq: number, subject?: string): Promise<StoredMessage | undefined>;
}

export interface StreamBounds {
  /** When the stream was created: it distinguishes streams of the same name. */
  readonly created: string;
  /** Sequence numbers. In an empty stream, `last` is the number before the next one, and `first` is not below it. */
  readonly first: number;
  readonly last: number;
  readonly messages: number;
  readonly bytes: number;
  /** The oldest messages beyond it are dropped; -1: none are. */
  readonly bytesMax: number;
}

export interface StoredMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the server stored it, by its clock, in ms since the Unix epoch. */
  readonly at: number;
}
