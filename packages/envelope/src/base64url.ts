/** base64url without padding (RFC 4648, section 5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/**
 * The `length` bytes that `text` stands for, or `undefined` when it is not their one exact form: Node's own decoder
 * skips foreign characters and ignores unused bits, so several texts would read as the same bytes.
 */
export function decodeBase64Url(text: string, length: number): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.length === length && bytes.toString("base64url") === text ? bytes : undefined;
}
