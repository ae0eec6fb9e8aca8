import type { OutcomeResult } from "@scbe/contracts";

/** For so long a refusal can be the first of two, and a success says that our envelopes are good. */
const RECENT_MS = 60_000;

/**
 * Tells a refusal that says something of its provider from one that need not: its envelope was for the epoch in force, so was the one before it that
 * the same provider refused, and somebody has taken one of ours of late. Else one failover of the guards' store, or one process
 * with a wrong clock, would speak against every provider.
 */
export class Refusals {
  readonly #last = new Map<string, { readonly epoch: string; readonly atMs: number }>();
  #servedAtMs = Number.NEGATIVE_INFINITY;

  /** A provider has opened an envelope. */
  served(provider: string, nowMs: number): void {
    this.#last.delete(provider);
    this.#servedAtMs = nowMs;
  }

  /** @param epoch that the envelope was sealed for, where the guards have said since that it is in force; `nowMs` is monotonic */
  judge(provider: string, epoch: string | undefined, nowMs: number): OutcomeResult {
    const before = this.#last.get(provider);
    if (epoch === undefined) return "refused";
    this.#last.set(provider, { epoch, atMs: nowMs });
    const isAgain = before?.epoch === epoch && nowMs - before.atMs < RECENT_MS;
    return isAgain && nowMs - this.#servedAtMs < RECENT_MS ? "refused_again" : "refused";
  }
}
