/** Times that are kept for each provider. */
const TIMES_MAX = 256;
/** With fewer relevant times, no time is usual. */
const TIMES_MIN = 20;
/** The share of requests that must be answered within a usual time. */
const KEPT_MIN = 0.95;
/** Misses that are kept until the next answer. */
const MISSES_MAX = 64;
/** A time must be this many times longer than what the provider keeps, so that load does not make it fail. */
const MARGIN = 2;

/**
 * The times in which each provider usually answers, as this process has measured them. A time is usual if 95 % of the relevant requests
 * were answered within half of it. Every answer is relevant; a miss is relevant only to times that are not longer than its wait. Misses
 * after the last answer do not count: a provider that stops answering is measured by what it kept before.
 */
export class UsualTimes {
  readonly #history = new Map<string, History>();

  answered(provider: string, ms: number): void {
    this.#of(provider).answered(Math.max(0, ms));
  }

  /** No answer came within `ms`. */
  missed(provider: string, ms: number): void {
    this.#of(provider).missed(Math.max(0, ms));
  }

  isUsual(provider: string, ms: number): boolean {
    const limit = ms / MARGIN;
    const relevant = (this.#history.get(provider)?.times ?? []).filter((it) => it >= 0 || -it >= limit);
    const isKept = (it: number): boolean => it >= 0 && it <= limit;
    const before = relevant.slice(0, relevant.findLastIndex(isKept) + 1);
    return before.length >= TIMES_MIN && before.filter(isKept).length >= before.length * KEPT_MIN;
  }

  #of(provider: string): History {
    const known = this.#history.get(provider);
    if (known !== undefined) return known;
    const history = new History();
    this.#history.set(provider, history);
    return history;
  }
}

/** Of one provider. A positive time is that of an answer; a negative one is a wait without an answer. */
class History {
  readonly #times = new Float64Array(TIMES_MAX);
  #count = 0;
  /** Since the last answer. */
  #misses: number[] = [];

  answered(ms: number): void {
    for (const miss of this.#misses.splice(0)) this.#keep(-miss);
    this.#keep(ms);
  }

  missed(ms: number): void {
    if (this.#misses.length < MISSES_MAX) this.#misses.push(ms);
  }

  /** Oldest first. */
  get times(): number[] {
    const from = Math.max(0, this.#count - TIMES_MAX);
    return Array.from(
      { length: this.#count - from },
      (_, n) => this.#times[(from + n) % TIMES_MAX] as number,
    );
  }

  #keep(time: number): void {
    this.#times[this.#count % TIMES_MAX] = time;
    this.#count += 1;
  }
}
