import canonicalize from "canonicalize";

/**
 * The canonical text of a JSON value (RFC 8785): members sorted, no spaces, one form for every number and string.
 * @throws Error on what is no I-JSON: a lone surrogate, NaN, an infinity, or a value that JSON cannot hold
 */
export function jcs(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("JSON cannot hold this value");
  return text;
}

/** Throws on what is no T. */
export interface Schema<T> {
  parse(value: unknown): T;
}

/** A message in JSON as it goes onto the bus: the UTF-8 bytes of its canonical text (docs/spec/wire-v1.md, "Messages in JSON"). */
export function writeMessage(value: unknown): Uint8Array {
  return Buffer.from(jcs(value), "utf8");
}

/**
 * The message in `bytes`; `undefined` unless they are the canonical text of a value of this shape, at most `bytesMax` long. A second
 * spelling of the same value is refused: a member that stands twice, other spaces or escapes, `1.0`, bytes that are no UTF-8. So no
 * two readers can take one message for two different ones.
 */
export function readMessage<T>(bytes: Uint8Array, schema: Schema<T>, bytesMax: number): T | undefined {
  if (bytes.length > bytesMax) return undefined;
  const received = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = received.toString("utf8");
  const value = readCanonical(text, schema);
  return value !== undefined && received.equals(Buffer.from(text, "utf8")) ? value : undefined;
}

/** The value of this shape whose canonical text this is; `undefined` for any other text. */
export function readCanonical<T>(text: string, schema: Schema<T>): T | undefined {
  try {
    const value = schema.parse(JSON.parse(text));
    return jcs(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}
