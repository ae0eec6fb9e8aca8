import type { OutcomeResult } from "@scbe/contracts";

/** For so long a failure can be the first of two, and an answer of another provider says that this process is sound. */
const RECENT_MS = 60_000;
/** Kinds of requests, and runs of failures, that are remembered of each provider. */
const KINDS_MAX = 256;
/** The run of answers that were not opened. */
const UNOPENED = "unopened";

/** What a request is, as far as a gateway may not serve it. */
export interface RequestKind {
  readonly intent: string;
  readonly model: string;
}

/** A gateway's refusal of one envelope. `nowMs` is monotonic. */
export interface Refusal extends RequestKind {
  readonly provider: string;
  /** That the envelope was sealed for, where the guards have said since that it is in force. */
  readonly epoch: string | undefined;
  readonly nowMs: number;
}

/** Failures alike of one provider that no answer of it stands between. */
interface Run {
  readonly sinceMs: number;
  lastMs: number;
}

/**
 * Tells a failure that says something of its provider from one that this process may have caused itself, by its clock, its replay window, its keys, or what it
 * asks for. Noise speaks against a provider when its envelope was for the epoch in force, when the provider has refused the same kind of request just before,
 * when it has served this kind before, and when another provider has answered since it began to refuse: so this process's envelopes are good. A process
 * that every provider refuses, or that is refused one intent or model alone, blames none.
 */
export class OwnFaults {
  /** By provider. */
  readonly #runs = new Map<string, Map<string, Run>>();
  readonly #answeredMs = new Map<string, number>();
  readonly #served = new Map<string, Set<string>>();

  /** An answer of a provider has verified: it opened a request of this kind, and this process its answer. */
  answered(provider: string, kind: RequestKind, nowMs: number): void {
    this.#runs.delete(provider);
    this.#answeredMs.set(provider, nowMs);
    const served = this.#served.get(provider) ?? new Set();
    this.#served.set(provider, served);
    if (served.size < KINDS_MAX) served.add(kindOf(kind));
  }

  /** A gateway has answered with noise. */
  refused({ provider, epoch, nowMs, ...kind }: Refusal): OutcomeResult {
    if (epoch === undefined) return "refused";
    const run = this.#continued(provider, `${epoch} ${kindOf(kind)}`, nowMs);
    const isAgain = run.sinceMs < nowMs && this.#served.get(provider)?.has(kindOf(kind)) === true;
    return isAgain && this.#hasOtherAnswered(provider, run) ? "refused_again" : "refused";
  }

  /**
   * An answer that may be right was not opened, for a reason that may lie here.
   * @returns true when it lies with the provider: answers of another one have been opened since this began
   */
  unopened(provider: string, nowMs: number): boolean {
    const run = this.#continued(provider, UNOPENED, nowMs);
    return run.sinceMs < nowMs && this.#hasOtherAnswered(provider, run);
  }

  /** The run that a failure at `nowMs` belongs to; it may begin one. */
  #continued(provider: string, of: string, nowMs: number): Run {
    const runs = this.#runs.get(provider) ?? new Map<string, Run>();
    this.#runs.set(provider, runs);
    const before = runs.get(of);
    if (before !== undefined && nowMs - before.lastMs < RECENT_MS) {
      before.lastMs = nowMs;
      return before;
    }
    if (runs.size >= KINDS_MAX) runs.clear();
    const begun = { sinceMs: nowMs, lastMs: nowMs };
    runs.set(of, begun);
    return begun;
  }

  #hasOtherAnswered(provider: string, { sinceMs, lastMs }: Run): boolean {
    return [...this.#answeredMs].some(
      ([other, atMs]) => other !== provider && atMs > sinceMs && atMs > lastMs - RECENT_MS,
    );
  }
}

function kindOf({ intent, model }: RequestKind): string {
  return `${intent} ${model}`;
}
