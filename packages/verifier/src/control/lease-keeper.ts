import type { ControlLeaseResult } from "@scbe/contracts";
import { backoffMs } from "@scbe/runtime";

export interface LeaseKeeperOptions {
  readonly leaseMs: number;
  /** One question; never throws. `undefined`: it was given up for the next one. */
  ask(signal: AbortSignal): Promise<ControlLeaseResult | undefined>;
}

/** The longest pause between two questions while none is granted. */
const PAUSE_MS_MAX = 5000;

/**
 * Asks for leases: twice in the time of one, sooner again after a question that brought none, and at once when told. One question is
 * on its way at a time; a newer one takes its place, since the older one's answer would speak of what was held then.
 */
export class LeaseKeeper implements Disposable {
  readonly #options: LeaseKeeperOptions;
  #asking: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  /** Asks now. */
  askNow(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    void this.#ask(asking);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  async #ask(asking: AbortController): Promise<void> {
    const result = await this.#options.ask(asking.signal);
    if (this.#closed || asking !== this.#asking) return;
    this.#failures = result === "granted" ? 0 : this.#failures + 1;
    this.#timer = setTimeout(() => this.askNow(), this.#pauseMs()).unref();
  }

  /** Never half of the lease time or more: questions of many that were told at once drift apart. */
  #pauseMs(): number {
    const halfMs = this.#options.leaseMs / 2;
    if (this.#failures === 0) return halfMs * (0.9 + Math.random() / 10);
    const limits = { firstMs: halfMs / 8, maxMs: Math.min(halfMs, PAUSE_MS_MAX) };
    return backoffMs(this.#failures, Math.random(), limits);
  }
}
