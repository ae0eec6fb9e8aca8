import type { Readable } from "node:stream";
import { visit } from "jsonc-parser";
import type { JsonStart } from "./read-webhook.ts";

export interface PostLimits {
  /** Posts that are read at once. */
  readonly postsMax: number;
  /** Bytes that are kept of all of them. */
  readonly totalBytesMax: number;
  /** Bytes of the text of one post; the rest is discarded. */
  readonly bytesMax: number;
  /** For one post. */
  readonly timeoutMs: number;
}

/** The text of a post, or the start of it. */
export interface StartRead {
  readonly text: string;
  /** Neither its end nor the limit of its size was reached: it timed out, or gave way to newer posts. */
  readonly isLate: boolean;
}

/**
 * Reads posts, each as far as it arrives within the limits. A new post is always read: if there are too many posts or bytes, reading the
 * oldest one ends early with the text so far. So posts that never end block no other post, and memory stays bounded.
 */
export class PostReader {
  readonly #limits: PostLimits;
  /** The oldest first. */
  readonly #readings = new Set<Reading>();

  constructor(limits: PostLimits) {
    this.#limits = limits;
  }

  /** Never rejects: a post that is cut off by size, by time or by a lost connection is returned like a whole one. */
  async read(post: Readable): Promise<StartRead> {
    const reading = startReading(post, this.#limits, () => this.#makeRoom());
    this.#readings.add(reading);
    this.#makeRoom();
    const start = await reading.start;
    this.#readings.delete(reading);
    return start;
  }

  #makeRoom(): void {
    const { postsMax, totalBytesMax } = this.#limits;
    let bytes = 0;
    for (const { bytesKept } of this.#readings) bytes += bytesKept;
    for (const reading of this.#readings) {
      if (this.#readings.size <= postsMax && bytes <= totalBytesMax) return;
      bytes -= reading.bytesKept;
      this.#readings.delete(reading);
      reading.finishEarly();
    }
  }
}

/** Levels of nesting; more than any post has. */
const DEPTH_MAX = 16;

/**
 * Parses a JSON document that may be cut off. Parsing ends at the first mistake and never resumes behind it, so that the text of a string is
 * never taken for structure. A string that is cut off is left out, since its start may be another word.
 */
export function readJsonStart(text: string): JsonStart {
  try {
    return { value: JSON.parse(text), open: new Set(), isWhole: true };
  } catch {
    return parseUntilMistake(text);
  }
}

type Container = Record<string, unknown> | unknown[];

/** Ends the visit at the first mistake. */
class Mistake extends Error {}

function parseUntilMistake(text: string): JsonStart {
  const open: { readonly container: Container; key: string }[] = [];
  let root: unknown;
  const put = (value: unknown): void => {
    const parent = open.at(-1);
    if (parent === undefined) root = value;
    else if (Array.isArray(parent.container)) parent.container.push(value);
    else parent.container[parent.key] = value;
  };
  const enter = (container: Container): void => {
    if (open.length >= DEPTH_MAX) throw new Mistake();
    put(container);
    open.push({ container, key: "" });
  };
  const leave = (_offset: number, length: number): void => {
    // The text ends where a bracket was expected.
    if (length === 0) throw new Mistake();
    open.pop();
  };
  const stop = (): never => {
    throw new Mistake();
  };
  try {
    visit(text, {
      // Without a prototype, a member named __proto__ is an ordinary one.
      onObjectBegin: () => enter(Object.create(null)),
      onObjectProperty: (key) => {
        const parent = open.at(-1);
        if (parent !== undefined) parent.key = key;
      },
      onLiteralValue: put,
      onArrayBegin: () => enter([]),
      onObjectEnd: leave,
      onArrayEnd: leave,
      onError: stop,
      onComment: stop,
    });
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
  }
  return { value: root, open: new Set(open.map(({ container }) => container)), isWhole: false };
}

/** The reading of one post. */
interface Reading {
  /** Never rejects. */
  readonly start: Promise<StartRead>;
  /** Bytes that it keeps now. */
  readonly bytesKept: number;
  /** Ends the reading with the text so far. */
  finishEarly(): void;
}

/** Bytes beyond the limit that are read and discarded, so that the peer gets the answer. After more of them the connection is closed. */
const DISCARDED_BYTES_MAX = 16 * 1024 * 1024;

/** @param onKept runs when more bytes are kept than before */
function startReading(stream: Readable, { bytesMax, timeoutMs }: PostLimits, onKept: () => void): Reading {
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

/** Bytes in one growing buffer. A list of chunks would also keep the memory that small chunks were received in. */
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

  /** Discards the bytes beyond the limit. */
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
