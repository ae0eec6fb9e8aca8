import { LeaseTime, type LeaseTimeOptions } from "./lease-time.ts";

export interface WatchedLeaseOptions extends LeaseTimeOptions {
  /** Runs when {@link LeaseTime.isStale} has become another. */
  onChange(isStale: boolean): void;
}

/** A {@link LeaseTime} that tells when it begins and ends to stand. Disposing ends the telling. */
export class WatchedLease extends LeaseTime implements Disposable {
  readonly #options: WatchedLeaseOptions;
  #wasStale = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatchedLeaseOptions) {
    super(options);
    this.#options = options;
  }

  override grant(askedAt: number): boolean {
    const isGranted = super.grant(askedAt);
    if (isGranted) this.#look();
    return isGranted;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    clearTimeout(this.#timer);
    const { clock, onChange } = this.#options;
    const { isStale, until } = this;
    if (until !== undefined && !isStale) {
      const leftMs = Math.ceil(until - clock.monotonic());
      this.#timer = setTimeout(() => this.#look(), leftMs).unref();
    }
    if (isStale === this.#wasStale) return;
    this.#wasStale = isStale;
    onChange(isStale);
  }
}
