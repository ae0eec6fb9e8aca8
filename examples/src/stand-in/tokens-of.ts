const BYTES_PER_TOKEN = 4;

/** A count for the place where an API has one; the stand-in has no tokens. */
export function tokensOf(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
