import { type Rate, type TokenBucket, takeToken } from "./token-bucket.ts";

/** Users whose rate is kept; a subject can name no more of them than there are users with the right to publish it. */
const USERS_MAX = 8192;

/** One token bucket for each user. */
export class UserRates {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /**
   * Takes `count` tokens of a user, one unless told. False: the user has fewer, and none is taken.
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
