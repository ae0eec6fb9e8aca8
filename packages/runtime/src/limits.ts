/** What a user may do: so many at once, and so many each second. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export interface TokenBucket {
  readonly tokens: number;
  /** Monotonic ms of its last change. */
  readonly at: number;
}

/**
 * The bucket after taking `count` tokens; undefined if it has fewer.
 * @param bucket undefined: unused, so full
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

/** Users whose rate is kept. A subject can name only users that have the right to publish it, so fewer than this. */
const USERS_MAX = 8192;

/** One token bucket for each user. */
export class UserRates {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /**
   * Takes `count` tokens of a user. False if the user has fewer: then it takes none.
   * @param nowMs of a monotonic clock
   */
  take(user: string, nowMs: number, count = 1): boolean {
    const bucket = takeToken(this.#buckets.get(user), nowMs, this.#rate, count);
    if (bucket === undefined) return false;
    if (this.#buckets.size >= USERS_MAX && !this.#buckets.has(user)) this.#buckets.clear();
    this.#buckets.set(user, bucket);
    return true;
  }
}

/** So many places for each key: a user, a provider. Keys without a taken place use no memory. */
export class Places {
  readonly #each: number;
  readonly #taken = new Map<string, number>();

  constructor(each: number) {
    this.#each = each;
  }

  hasFree(key: string): boolean {
    return (this.#taken.get(key) ?? 0) < this.#each;
  }

  /** Takes a place; check {@link hasFree} first. */
  take(key: string): void {
    this.#taken.set(key, (this.#taken.get(key) ?? 0) + 1);
  }

  release(key: string): void {
    const left = (this.#taken.get(key) ?? 0) - 1;
    if (left > 0) this.#taken.set(key, left);
    else this.#taken.delete(key);
  }
}
