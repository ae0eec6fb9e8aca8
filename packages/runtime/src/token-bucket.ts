/** What may still be asked at once; refilled over time. */
export interface TokenBucket {
  readonly tokens: number;
  /** Monotonic ms of its last change. */
  readonly at: number;
}

export interface Rate {
  /** Questions at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * The bucket with `count` tokens taken, one unless told, or undefined when it has fewer.
 * @param bucket undefined: not used yet, so full
 */
export function takeToken(
  bucket: TokenBucket | undefined,
  nowMs: number,
  rate: Rate,
  count = 1,
): TokenBucket | undefined {
  const refilled =
    bucket === undefined ? rate.burst : bucket.tokens + ((nowMs - bucket.at) / 1000) * rate.perSecond;
  const tokens = Math.min(rate.burst, refilled);
  return tokens < count ? undefined : { tokens: tokens - count, at: nowMs };
}
