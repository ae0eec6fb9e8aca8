import type { OutcomeResult } from "@scbe/contracts";

/** Failures this close together form a run. Another provider's answer shows for this long that this process works. */
const RECENT_MS = 60_000;
/** Kinds of requests, and runs of failures, that are kept for each provider. */
const KINDS_MAX = 256;
/** The run of replies that did not open. */
const UNOPENED = "unopened";

/** A gateway can be configured to refuse other intents or models. */
export interface RequestKind {
  readonly intent: string;
  readonly model: string;
}

/** A gateway's refusal of one envelope. `nowMs` is monotonic. */
export interface Refusal extends RequestKind {
  readonly provider: string;
  /** The envelope's, if the replay guards have confirmed it since. */
  readonly epoch: string | undefined;
  readonly nowMs: number;
}

/** Failures of one provider and one kind without an answer of the provider between them. */
interface Run {
  readonly sinceMs: number;
  lastMs: number;
}

/**
 * Separates failures of a provider from failures that this process can have caused by its clock, replay window, keys or requests. Noise
 * counts against a provider if all of these hold:
 * - the envelope was sealed for the epoch in force;
 * - the provider has just refused the same kind of request before;
 * - the provider has served this kind before;
 * - another provider has answered since the first refusal, so this process seals correctly.
 *
 * A process that every provider refuses, or that is refused for one intent or model only, therefore blames none of them.
 */
export class OwnFaults {
  /** By provider. */
  readonly #runs = new Map<string, Map<string, Run>>();
  readonly #answeredMs = new Map<string, number>();
  readonly #served = new Map<string, Set<string>>();

  /** An answer has verified: the provider opened a request of this kind, and this process opened the answer. */
  answered(provider: string, kind: RequestKind, nowMs: number): void {
    this.#runs.delete(provider);
    this.#answeredMs.set(provider, nowMs);
    const served = this.#served.get(provider) ?? new Set();
    this.#served.set(provider, served);
    if (served.size < KINDS_MAX) served.add(keyOf(kind));
  }

  /** A gateway has answered with noise. */
  refused({ provider, epoch, nowMs, ...kind }: Refusal): OutcomeResult {
    if (epoch === undefined) return "refused";
    const run = this.#continueRun(provider, `${epoch} ${keyOf(kind)}`, nowMs);
    const isAgain = run.sinceMs < nowMs && this.#served.get(provider)?.has(keyOf(kind)) === true;
    return isAgain && this.#hasOtherAnswered(provider, run) ? "refused_again" : "refused";
  }

  /**
   * A reply did not open, for a reason that can lie with this process.
   * @returns true if it lies with the provider: this process has opened another provider's answer since the run began
   */
  unopened(provider: string, nowMs: number): boolean {
    const run = this.#continueRun(provider, UNOPENED, nowMs);
    return run.sinceMs < nowMs && this.#hasOtherAnswered(provider, run);
  }

  /** The run of a failure at `nowMs`: the current one, or a new one. */
  #continueRun(provider: string, key: string, nowMs: number): Run {
    const runs = this.#runs.get(provider) ?? new Map<string, Run>();
    this.#runs.set(provider, runs);
    const current = runs.get(key);
    if (current !== undefined && nowMs - current.lastMs < RECENT_MS) {
      current.lastMs = nowMs;
      return current;
    }
    if (runs.size >= KINDS_MAX) runs.clear();
    const begun = { sinceMs: nowMs, lastMs: nowMs };
    runs.set(key, begun);
    return begun;
  }

  #hasOtherAnswered(provider: string, { sinceMs, lastMs }: Run): boolean {
    return [...this.#answeredMs].some(
      ([other, atMs]) => other !== provider && atMs > sinceMs && atMs > lastMs - RECENT_MS,
    );
  }
}

function keyOf({ intent, model }: RequestKind): string {
  return `${intent} ${model}`;
}
