/** Times that are remembered of each provider. */
const TIMES_MAX = 256;
/** With fewer that tell something, nothing is known to be usual. */
const TIMES_MIN = 20;
/** The part of them that has to keep a time which counts as usual. */
const KEPT_MIN = 0.95;
/** Times without an answer that are remembered until the next answer. */
const MISSES_MAX = 64;
/** A time has to be so many times longer than what is usual: one that is just kept is not kept on a busy day. */
const MARGIN = 2;

/** Of one provider. A time is positive where an answer took it, negative where it was waited for in vain. */
class Seen {
  readonly #times = new Float64Array(TIMES_MAX);
  #count = 0;
  /** Since the last answer: evidence of a failure that goes on, and not of what is usual. */
  #misses: number[] = [];

  answered(ms: number): void {
    for (const miss of this.#misses.splice(0)) this.#keep(-miss);
    this.#keep(ms);
  }

  missed(ms: number): void {
    if (this.#misses.length < MISSES_MAX) this.#misses.push(ms);
  }

  /** The oldest first. */
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

/**
 * Which times a provider usually keeps, by what this process has seen. A time is usual when 95 % of the requests that tell something about half of it were
 * answered within that: an answer tells it of every time; a wait in vain, of times that are not longer. The misses at the end do not count: a provider that stops
 * answering is measured by what it kept before.
 */
export class UsualTimes {
  readonly #seen = new Map<string, Seen>();

  answered(provider: string, ms: number): void {
    this.#of(provider).answered(Math.max(0, ms));
  }

  /** There was no answer in `ms`. */
  missed(provider: string, ms: number): void {
    this.#of(provider).missed(Math.max(0, ms));
  }

  isUsual(provider: string, ms: number): boolean {
    const limit = ms / MARGIN;
    const telling = (this.#seen.get(provider)?.times ?? []).filter((it) => it >= 0 || -it >= limit);
    const isKept = (it: number): boolean => it >= 0 && it <= limit;
    const before = telling.slice(0, telling.findLastIndex(isKept) + 1);
    return before.length >= TIMES_MIN && before.filter(isKept).length >= before.length * KEPT_MIN;
  }

  #of(provider: string): Seen {
    const known = this.#seen.get(provider);
    if (known !== undefined) return known;
    const seen = new Seen();
    this.#seen.set(provider, seen);
    return seen;
  }
}
