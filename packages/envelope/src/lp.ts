/** Longest value that {@link lp} can carry, in bytes. */
export const LP_MAX_BYTES = 0xffff;

/**
 * LP(a) LP(b) ...: each value as its length in two bytes, big-endian, and then its bytes; strings are UTF-8. Two
 * different lists of values never give the same bytes, which plain concatenation does not promise.
 * @throws RangeError when a value is longer than {@link LP_MAX_BYTES}
 */
export function lp(...values: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(values.flatMap(lengthAndBytes));
}

function lengthAndBytes(value: string | Uint8Array): Uint8Array[] {
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  if (bytes.length > LP_MAX_BYTES) throw new RangeError(`LP carries at most ${LP_MAX_BYTES} bytes`);
  return [Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes];
}
