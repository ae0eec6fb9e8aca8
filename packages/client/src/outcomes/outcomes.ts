import { randomUUID } from "node:crypto";
import { OUTCOMES_MAX, type OutcomeResult } from "@scbe/contracts";
import type { Bus, Clock, Logger, Registry } from "@scbe/service-kit";
import { OutcomeQueue } from "./outcome-queue.ts";
import { Refusals } from "./refusals.ts";
import { showOutcomes } from "./show-outcomes.ts";

export interface OutcomesOptions {
  readonly bus: Pick<Bus, "request" | "onConnection">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Registry;
}

/** What one attempt at one provider has come to. */
export interface Outcome {
  readonly provider: string;
  readonly requestId: string;
  readonly result: OutcomeResult;
  /** From its beginning. */
  readonly latencyMs: number;
}

/** Successes of a provider that nothing else stands between. */
interface Run {
  count: number;
  startedAt: number;
  readonly timer: NodeJS.Timeout;
}

/** Successes are told together after that long: they are many, and nobody waits for them. */
const RUN_MS = 250;
/** As long as any request can take. */
const LATENCY_MS_MAX = 3_600_000;

/**
 * Tells the trust scorers what requests come to. Successes that follow one upon the other are one event: for the evidence that is the same as
 * one by one, at the price of none. Whatever else happens is told at once, and by itself.
 */
export class Outcomes implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #queue: OutcomeQueue;
  readonly #runs = new Map<string, Run>();
  readonly #refusals = new Refusals();
  readonly #shown: Disposable;

  constructor({ clock, metrics, ...rest }: OutcomesOptions) {
    const shown = showOutcomes(metrics, () => this.#queue.waiting);
    this.#clock = clock;
    this.#shown = shown;
    this.#queue = new OutcomeQueue({ ...rest, onResult: shown.reported });
  }

  /** An answer of a provider has verified, whatever it says. */
  answered(provider: string): void {
    this.#refusals.served(provider, performance.now());
  }

  note(outcome: Outcome): void {
    if (outcome.result === "ok") this.#count(outcome);
    else this.#tell(outcome);
  }

  /**
   * A gateway has answered with noise.
   * @param epoch that the envelope was sealed for, where the guards have said since that it is in force
   */
  refused(outcome: Omit<Outcome, "result">, epoch: string | undefined): void {
    this.note({ ...outcome, result: this.#refusals.judge(outcome.provider, epoch, performance.now()) });
  }

  /** What answers a request names it, and does not open. */
  blame(provider: string, requestId: string): void {
    this.#endRun(provider);
    const common = this.#common(provider);
    this.#queue.add({ ...common, kind: "integrity", request_id: requestId, cause: "bound_response_fails" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const provider of [...this.#runs.keys()]) this.#endRun(provider);
    await this.#queue[Symbol.asyncDispose]();
    this.#shown[Symbol.dispose]();
  }

  #count({ provider, latencyMs }: Outcome): void {
    const startedAt = performance.now() - latencyMs;
    const run = this.#runs.get(provider) ?? this.#beginRun(provider, startedAt);
    run.count += 1;
    run.startedAt = Math.min(run.startedAt, startedAt);
    if (run.count >= OUTCOMES_MAX) this.#endRun(provider);
  }

  #beginRun(provider: string, startedAt: number): Run {
    const timer = setTimeout(() => this.#endRun(provider), RUN_MS).unref();
    const run = { count: 0, startedAt, timer };
    this.#runs.set(provider, run);
    return run;
  }

  #endRun(provider: string): void {
    const run = this.#runs.get(provider);
    if (run === undefined) return;
    this.#runs.delete(provider);
    clearTimeout(run.timer);
    const { count, startedAt } = run;
    const latencyMs = performance.now() - startedAt;
    this.#queue.add({ ...this.#outcome(provider, latencyMs), result: "ok", count });
  }

  #tell({ provider, requestId, result, latencyMs }: Outcome): void {
    this.#endRun(provider);
    const common = this.#outcome(provider, latencyMs);
    this.#queue.add({ ...common, request_id: requestId, result, count: 1 });
  }

  #outcome(provider: string, latencyMs: number) {
    const ms = Math.min(Math.max(0, Math.round(latencyMs)), LATENCY_MS_MAX);
    return { ...this.#common(provider), kind: "outcome", latency_ms: ms } as const;
  }

  #common(provider: string) {
    return { v: 1, id: randomUUID(), provider, at: this.#clock.now() } as const;
  }
}
