import type { Clock } from "@scbe/runtime";

export interface LeaseTimeOptions {
  readonly clock: Pick<Clock, "monotonic">;
  /** How long a lease lasts, from the moment at which it was asked for. */
  readonly leaseMs: number;
}

/** Until when what is held was said to be in force, by this process's monotonic clock alone. */
export class LeaseTime {
  readonly #options: LeaseTimeOptions;
  /** Monotonic ms; undefined: there was no lease yet. */
  #until: number | undefined;

  constructor(options: LeaseTimeOptions) {
    this.#options = options;
  }

  /** When the lease ends, or has ended, in monotonic ms; undefined before the first one. */
  get until(): number | undefined {
    return this.#until;
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
    return true;
  }
}
