const EVERY_MS = 60_000;

/**
 * Says the first of many alike at once, and then one each minute with the number of all since the last that was said: for what
 * anything on the bus can cause as often as it likes.
 */
export class LogLimiter {
  #saidAt = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** @param nowMs monotonic */
  note(nowMs: number, say: (count: number) => void): void {
    this.#count += 1;
    if (nowMs - this.#saidAt < EVERY_MS) return;
    const count = this.#count;
    this.#saidAt = nowMs;
    this.#count = 0;
    say(count);
  }
}
