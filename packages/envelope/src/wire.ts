/** Bytes that GCM's tag has, always. */
export const TAG_BYTES = 16;
export const ENVELOPE_HEADER_BYTES_MAX = 4096;
const LENGTH_BYTES = 4;

/** An envelope's parts, as views on its bytes: `length(4) | header | ciphertext | tag(16)`. */
export interface EnvelopeParts {
  /** The header, one character for each byte. */
  readonly headerText: string;
  /** What is authenticated beside the ciphertext: the length and the header. */
  readonly aad: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/** The bytes before the ciphertext, with room behind them for `bodyBytes` and the tag. `text` is ASCII. */
export function startEnvelope(text: string, bodyBytes: number): { bytes: Buffer; aadBytes: number } {
  const aadBytes = LENGTH_BYTES + text.length;
  const bytes = Buffer.allocUnsafe(aadBytes + bodyBytes + TAG_BYTES);
  bytes.writeUInt32BE(text.length, 0);
  bytes.write(text, LENGTH_BYTES, "latin1");
  return { bytes, aadBytes };
}

/** Cuts received bytes by their own length; `undefined` when they cannot be an envelope. Nothing is parsed or copied. */
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
