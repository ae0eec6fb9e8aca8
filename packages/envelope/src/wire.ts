/** The length of the GCM tag. */
export const TAG_BYTES = 16;
export const ENVELOPE_HEADER_BYTES_MAX = 4096;
const LENGTH_BYTES = 4;

/** An envelope's parts, as views on its bytes: `length(4) | header | ciphertext | tag(16)`. */
export interface EnvelopeParts {
  /** The header, one character for each byte. */
  readonly headerText: string;
  /** The additional authenticated data: the length and the header. */
  readonly aad: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/** The bytes before the ciphertext, with room for `bodyBytes` and the tag behind them. `text` is ASCII. */
export function startEnvelope(text: string, bodyBytes: number): { bytes: Buffer; aadBytes: number } {
  const aadBytes = LENGTH_BYTES + text.length;
  const bytes = Buffer.allocUnsafe(aadBytes + bodyBytes + TAG_BYTES);
  bytes.writeUInt32BE(text.length, 0);
  bytes.write(text, LENGTH_BYTES, "latin1");
  return { bytes, aadBytes };
}

/** Splits received bytes by their length field; `undefined` if they cannot be an envelope. It parses and copies nothing. */
export function splitEnvelope(received: Uint8Array): EnvelopeParts | undefined {
  const bytes = Buffer.from(received.buffer, received.byteOffset, received.byteLength);
  if (bytes.length < LENGTH_BYTES + TAG_BYTES) return undefined;
  const headerBytes = bytes.readUInt32BE(0);
  const aadBytes = LENGTH_BYTES + headerBytes;
  if (headerBytes > ENVELOPE_HEADER_BYTES_MAX || aadBytes + TAG_BYTES > bytes.length) return undefined;
  const tagAt = bytes.length - TAG_BYTES;
  return {
    headerText: bytes.toString("latin1", LENGTH_BYTES, aadBytes),
    aad: bytes.subarray(0, aadBytes),
    ciphertext: bytes.subarray(aadBytes, tagAt),
    tag: bytes.subarray(tagAt),
  };
}

/** Longest value of {@link lp}, in bytes. */
export const LP_MAX_BYTES = 0xffff;

/**
 * LP(a) LP(b) ...: each value as its length in two bytes, big-endian, and then its bytes; strings are UTF-8. Unlike with plain
 * concatenation, two different lists of values never give the same bytes.
 * @throws RangeError if a value is longer than {@link LP_MAX_BYTES}
 */
export function lp(...values: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(values.flatMap(lengthAndBytes));
}

function lengthAndBytes(value: string | Uint8Array): Uint8Array[] {
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  if (bytes.length > LP_MAX_BYTES) throw new RangeError(`LP carries at most ${LP_MAX_BYTES} bytes`);
  return [Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes];
}

/** base64url without padding (RFC 4648, section 5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/**
 * Decodes `length` bytes; `undefined` if `text` is not their exact form. Node's own decoder skips foreign characters and ignores
 * unused bits, so several texts would read as the same bytes.
 */
export function decodeBase64Url(text: string, length: number): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.length === length && bytes.toString("base64url") === text ? bytes : undefined;
}
