import canonicalize from "canonicalize";
import { z } from "zod";

/**
 * The canonical text of a JSON value (RFC 8785): members sorted, no spaces, one form for every number and string.
 * @throws Error on a value that I-JSON cannot hold, such as a lone surrogate, NaN or an infinity
 */
export function jcs(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("JSON cannot hold this value");
  return text;
}

/** Its parser throws on values that are not a T. */
export interface Schema<T> {
  parse(value: unknown): T;
}

/** A JSON message on the bus: the UTF-8 bytes of its canonical text (docs/spec/wire-v1.md, "Messages in JSON"). */
export function writeMessage(value: unknown): Uint8Array {
  return Buffer.from(jcs(value), "utf8");
}

/**
 * The message in `bytes`; `undefined` unless they are the canonical text of a value of this shape, at most `bytesMax` long. Any other
 * spelling of the value is refused: a repeated member, other spaces or escapes, `1.0`, invalid UTF-8. So two readers never read one message
 * differently.
 */
export function readMessage<T>(bytes: Uint8Array, schema: Schema<T>, bytesMax: number): T | undefined {
  if (bytes.length > bytesMax) return undefined;
  const received = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = received.toString("utf8");
  const value = readCanonical(text, schema);
  return value !== undefined && received.equals(Buffer.from(text, "utf8")) ? value : undefined;
}

/** The value of this shape with this canonical text; `undefined` for any other text. */
export function readCanonical<T>(text: string, schema: Schema<T>): T | undefined {
  try {
    const value = schema.parse(JSON.parse(text));
    return jcs(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The highest integer of a JSON message. It is below 2^53, so every reader has it exactly, and above the last time of a JavaScript
 * clock (8.64e15), so that counting up from a wrongly set clock does not reach it.
 */
export const INTEGER_MAX = 9e15;

/** The generation of a control document or a ring: higher than all before. */
export const Generation = z.int().min(1).max(INTEGER_MAX);

/** ms since the Unix epoch. */
export const Time = z.int().min(0).max(INTEGER_MAX);

/** The last character by the number of its bits that fill no byte: those are zero. */
const LAST_CHARACTER: Readonly<Record<number, string>> = {
  0: "[A-Za-z0-9_-]",
  2: "[AEIMQUYcgkosw048]",
  4: "[AQgw]",
};

/** Matches exactly the base64url texts (RFC 4648, section 5) of `bytes` bytes: without padding, one text for each value. */
export function base64UrlPattern(bytes: number): RegExp {
  const characters = Math.ceil((bytes * 4) / 3);
  return new RegExp(`^[A-Za-z0-9_-]{${characters - 1}}${LAST_CHARACTER[characters * 6 - bytes * 8]}$`);
}

/** A text of {@link base64UrlPattern}. */
export function exactBase64Url(bytes: number) {
  return z.string().regex(base64UrlPattern(bytes));
}
