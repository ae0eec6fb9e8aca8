import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Bytes to search for, and their description. */
export interface Needle {
  readonly is: string;
  readonly bytes: Buffer;
}

/** Searches for thousands of needles at once. */
export class Finder {
  /** By their first two bytes. Each needle has at least two. */
  readonly #needles = new Map<number, Needle[]>();

  constructor(needles: readonly Needle[]) {
    for (const needle of needles) {
      const start = needle.bytes.readUInt16BE(0);
      const others = this.#needles.get(start);
      if (others === undefined) this.#needles.set(start, [needle]);
      else others.push(needle);
    }
  }

  /** The descriptions of the needles in `bytes`. */
  find(bytes: Buffer): string[] {
    const found = new Set<string>();
    for (let at = 0; at + 1 < bytes.length; at += 1) {
      for (const needle of this.#needles.get(bytes.readUInt16BE(at)) ?? []) {
        if (isAt(bytes, at, needle.bytes)) found.add(needle.is);
      }
    }
    return [...found];
  }
}

function isAt(bytes: Buffer, at: number, needle: Buffer): boolean {
  const end = at + needle.length;
  return end <= bytes.length && bytes.compare(needle, 0, needle.length, at, end) === 0;
}

/** The needles of a secret: each half of it, raw and in every text encoding. */
export function needlesOfSecret(is: string, secret: Buffer): Needle[] {
  const middle = Math.ceil(secret.length / 2);
  return [secret.subarray(0, middle), secret.subarray(middle)].flatMap((half) =>
    formsOf(half).map((bytes) => ({ is, bytes })),
  );
}

/** The needles of a short secret like a nonce: the whole bytes, in the same encodings. */
export function needlesOfWhole(is: string, bytes: Buffer): Needle[] {
  return formsOf(bytes).map((form) => ({ is, bytes: form }));
}

/** The needles of a body: pieces of its start, middle and end, raw and as base64. */
export function needlesOfBody(is: string, body: Buffer): Needle[] {
  const length = Math.min(PIECE_BYTES, body.length);
  const starts = [0, (body.length - length) >> 1, body.length - length];
  return starts.flatMap((start) => {
    const piece = body.subarray(start, start + length);
    return [piece, ...base64FormsOf(piece)].map((bytes) => ({ is, bytes }));
  });
}

const PIECE_BYTES = 48;

function formsOf(bytes: Buffer): Buffer[] {
  const hex = bytes.toString("hex");
  const decimals = Buffer.from(bytes.join(","));
  return [bytes, Buffer.from(hex), Buffer.from(hex.toUpperCase()), decimals, ...base64FormsOf(bytes)];
}

/**
 * In the encoding of a larger text, the characters of these bytes depend only on their offset modulo three. The first and the last
 * character can include bits of neighbours, and are left out.
 */
function base64FormsOf(bytes: Buffer): Buffer[] {
  return [0, 1, 2].flatMap((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]);
    const from = Math.ceil((before * 8) / 6);
    const to = Math.floor((padded.length * 8) / 6);
    return (["base64", "base64url"] as const).map((encoding) =>
      Buffer.from(padded.toString(encoding).slice(from, to)),
    );
  });
}

/** A log with all its texts, both as in the file and without JSON's escapes. */
export interface ReadLog {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Reads the logs of a folder. */
export function logsIn(folder: string): ReadLog[] {
  return readdirSync(folder).map((name) => {
    return { name, bytes: withTexts(readFileSync(join(folder, name), "utf8")) };
  });
}

/** The text, followed by every string and byte list in its JSON lines. */
export function withTexts(text: string): Buffer {
  const lines = text.split("\n").flatMap((line) => (line.startsWith("{") ? textsIn(parse(line)) : []));
  return Buffer.from([text, ...lines].join("\n"));
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  const values: unknown[] = Object.values(value);
  if (values.length > 1 && values.every(Number.isInteger)) return [values.join()];
  return values.flatMap(textsIn);
}
