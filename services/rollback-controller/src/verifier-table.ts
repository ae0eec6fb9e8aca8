import type { LeaseQuestion, VerifierState } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import type { VerifierReport } from "./ports.ts";

/** Verifiers that are remembered; the one that asked longest ago makes room. */
const VERIFIERS_MAX = 20_000;
const FORGOTTEN_AFTER_MS = 10 * 60_000;

interface Row {
  readonly name: string;
  readonly held: LeaseQuestion["held"];
  readonly askedAtMs: number;
}

/**
 * What verifiers say that they hold, by their last question for a lease. It is for people to look at: a verifier says of itself
 * what it likes, and whoever decides something does so by leases that run out.
 */
export class VerifierTable {
  readonly #leaseMs: number;
  /** Those that asked longest ago first. */
  readonly #rows = new Map<string, Row>();

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** @param nowMs of a monotonic clock, here and below */
  note({ verifier, name, held, leaving }: LeaseQuestion, nowMs: number): void {
    this.#rows.delete(verifier);
    if (leaving !== true) this.#rows.set(verifier, { name, held, askedAtMs: nowMs });
    this.#forget(nowMs);
  }

  reports(current: ControlDocument | undefined, nowMs: number): readonly VerifierReport[] {
    this.#forget(nowMs);
    return Array.from(this.#rows.values(), (row) => ({
      name: row.name,
      generation: row.held?.generation,
      state: this.#stateOf(row, current, nowMs),
      ageMs: nowMs - row.askedAtMs,
    }));
  }

  counts(current: ControlDocument | undefined, nowMs: number): Readonly<Record<VerifierState, number>> {
    this.#forget(nowMs);
    const counts = { converged: 0, behind: 0, stale: 0 };
    for (const row of this.#rows.values()) counts[this.#stateOf(row, current, nowMs)] += 1;
    return counts;
  }

  #stateOf({ held, askedAtMs }: Row, current: ControlDocument | undefined, nowMs: number): VerifierState {
    if (nowMs - askedAtMs > this.#leaseMs) return "stale";
    return held !== null && held.digest === current?.digest ? "converged" : "behind";
  }

  #forget(nowMs: number): void {
    for (const [verifier, { askedAtMs }] of this.#rows) {
      if (this.#rows.size <= VERIFIERS_MAX && nowMs - askedAtMs <= FORGOTTEN_AFTER_MS) return;
      this.#rows.delete(verifier);
    }
  }
}
