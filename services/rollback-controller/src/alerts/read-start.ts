import type { Readable } from "node:stream";

export interface ReadLimits {
  /** Of the text; what comes after them is thrown away. */
  readonly bytesMax: number;
  readonly timeoutMs: number;
}

/** What was read of a stream. */
export interface StartRead {
  readonly text: string;
  /** Neither its end nor the limit of its size was reached: its time was over, or its reading was finished early. */
  readonly isLate: boolean;
}

/** The reading of one stream. */
export interface Reading {
  /** Never rejects. */
  readonly start: Promise<StartRead>;
  /** Bytes that it keeps now. */
  readonly bytesKept: number;
  /** Ends the reading with what was read so far. */
  finishEarly(): void;
}

/** Read and thrown away behind the limit, so that the peer comes to hear the answer; of more, its connection is closed. */
const DISCARDED_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Reads the text of a stream, or as much of it as comes within the limits: what is cut off by its size, by time or by a lost connection
 * is handed on like a whole one.
 * @param onKept runs when more bytes are kept than before
 */
export function readStart(
  stream: Readable,
  { bytesMax, timeoutMs }: ReadLimits,
  onKept: () => void = () => undefined,
): Reading {
  const { promise, resolve } = Promise.withResolvers<StartRead>();
  let kept: KeptBytes | undefined = new KeptBytes(bytesMax);
  let size = 0;
  const finish = (isLate: boolean): void => {
    if (kept === undefined) return;
    clearTimeout(timer);
    resolve({ text: kept.text(), isLate });
    kept = undefined;
  };
  const timer = setTimeout(() => finish(true), timeoutMs);
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
    kept?.append(chunk);
    if (size > bytesMax) finish(false);
    if (size > bytesMax + DISCARDED_BYTES_MAX) stream.destroy();
    if (kept !== undefined) onKept();
  });
  for (const event of ["end", "error", "close"]) stream.on(event, () => finish(false));
  return {
    start: promise,
    get bytesKept() {
      return kept?.size ?? 0;
    },
    finishEarly: () => finish(true),
  };
}

const FIRST_CAPACITY = 4096;

/** Bytes in one buffer that grows: a list of chunks would also keep the memory that small ones were received in. */
class KeptBytes {
  readonly #bytesMax: number;
  #bytes = Buffer.alloc(0);
  #size = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#size;
  }

  /** What is beyond the limit is left out. */
  append(chunk: Buffer): void {
    const size = Math.min(this.#size + chunk.length, this.#bytesMax);
    if (size > this.#bytes.length) this.#grow(size);
    chunk.copy(this.#bytes, this.#size, 0, size - this.#size);
    this.#size = size;
  }

  text(): string {
    return this.#bytes.toString("utf8", 0, this.#size);
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, 2 * this.#bytes.length, FIRST_CAPACITY);
    const grown = Buffer.allocUnsafeSlow(Math.min(capacity, this.#bytesMax));
    this.#bytes.copy(grown, 0, 0, this.#size);
    this.#bytes = grown;
  }
}
