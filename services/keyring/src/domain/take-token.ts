/** What an asker may still ask at once; refilled over time. */
export interface Bucket {
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
 * The bucket with one token taken, or undefined when it is empty.
 * @param bucket undefined: not used yet, so full
 */
export function takeToken(bucket: Bucket | undefined, nowMs: number, rate: Rate): Bucket | undefined {
  const refilled =
    bucket === undefined ? rate.burst : bucket.tokens + ((nowMs - bucket.at) / 1000) * rate.perSecond;
  const tokens = Math.min(rate.burst, refilled);
  return tokens < 1 ? undefined : { tokens: tokens - 1, at: nowMs };
}
