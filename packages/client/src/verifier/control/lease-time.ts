import type { Clock } from "@scbe/service-kit";

export interface LeaseTimeOptions {
  readonly clock: Clock;
  /** How long a lease lasts, from the moment at which it was asked for. */
  readonly leaseMs: number;
  /** Runs when {@link LeaseTime.isStale} has become another. */
  onChange(isStale: boolean): void;
}

/** Until when what is held was said to be in force, by this process's monotonic clock alone. Disposing ends the telling. */
export class LeaseTime implements Disposable {
  readonly #options: LeaseTimeOptions;
  /** Monotonic ms; undefined: there was no lease yet. */
  #until: number | undefined;
  #wasStale = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LeaseTimeOptions) {
    this.#options = options;
  }

  /** True once a lease has stood. */
  get wasGranted(): boolean {
    return this.#until !== undefined;
  }

  /** True while no lease stands: before the first one, and after the end of the last. */
  get isStale(): boolean {
    return this.#until === undefined || this.#options.clock.monotonic() >= this.#until;
  }

  /** A lease that was asked for at `askedAt`, monotonic ms. False: it is over already, and counts as none. */
  grant(askedAt: number): boolean {
    const { clock, leaseMs } = this.#options;
    const until = askedAt + leaseMs;
    if (clock.monotonic() >= until) return false;
    this.#until = Math.max(until, this.#until ?? until);
    this.#look();
    return true;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    clearTimeout(this.#timer);
    const { clock, onChange } = this.#options;
    const isStale = this.isStale;
    if (this.#until !== undefined && !isStale) {
      const leftMs = Math.ceil(this.#until - clock.monotonic());
      this.#timer = setTimeout(() => this.#look(), leftMs).unref();
    }
    if (isStale === this.#wasStale) return;
    this.#wasStale = isStale;
    onChange(isStale);
  }
}
