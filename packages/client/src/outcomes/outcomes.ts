import { randomUUID } from "node:crypto";
import type { Bus } from "@scbe/bus";
import { OUTCOMES_MAX, type OutcomeResult } from "@scbe/contracts";
import type { Clock, Logger, MetricsRegistry } from "@scbe/runtime";
import type { OwnLatches } from "@scbe/verifier";
import { outcomeMetrics } from "./outcome-metrics.ts";
import { OutcomeQueue } from "./outcome-queue.ts";
import { OwnFaults, type RequestKind } from "./own-faults.ts";
import { UsualTimes } from "./usual-times.ts";

export interface OutcomesOptions {
  readonly bus: Pick<Bus, "user" | "request" | "onConnection">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** The providers that this process refuses by what it saw itself. */
  readonly latches: Pick<OwnLatches, "latch" | "settled">;
  /** A request that had so much time speaks against a provider that did not answer it, however long that provider usually takes. */
  readonly timeoutMinMs: number;
  /** False: the deployment has no scorers, and nothing is told. */
  readonly isTold: boolean;
}

/** What one attempt at one provider has come to. */
export interface Outcome extends RequestKind {
  readonly provider: string;
  readonly requestId: string;
  readonly result: OutcomeResult;
  /** From its beginning. */
  readonly latencyMs: number;
}

/** How long a request was waited for in vain. */
export interface Wait {
  /** For any sign of life of a gateway, or for the answer after one. */
  readonly of: "sign" | "answer";
  readonly givenMs: number;
  /** Something came that was not opened, for a reason that may lie with this process. */
  readonly isUnopened: boolean;
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
  readonly #faults = new OwnFaults();
  /** Until the first sign of life of a gateway, and until an answer. */
  readonly #times = { sign: new UsualTimes(), answer: new UsualTimes() };
  readonly #latches: OutcomesOptions["latches"];
  readonly #timeoutMinMs: number;
  readonly #isTold: boolean;
  readonly #shown: Disposable;

  constructor({ clock, metrics, latches, timeoutMinMs, isTold, ...rest }: OutcomesOptions) {
    const shown = outcomeMetrics(metrics, () => this.#queue.waiting);
    this.#clock = clock;
    this.#shown = shown;
    this.#latches = latches;
    this.#timeoutMinMs = timeoutMinMs;
    this.#isTold = isTold;
    this.#queue = new OutcomeQueue({
      ...rest,
      onResult: shown.reported,
      onIntegritySettled: (provider, seq) => latches.settled(provider, seq),
    });
  }

  /** An answer of a provider has verified, whatever it says, so long after its request was sent; undefined: that tells nothing. */
  answered(provider: string, kind: RequestKind, ms: number | undefined): void {
    this.#faults.answered(provider, kind, performance.now());
    if (ms !== undefined) this.#times.answer.answered(provider, ms);
  }

  /** A gateway has given a first sign of life, so long after the request was sent. */
  signed(provider: string, ms: number): void {
    this.#times.sign.answered(provider, ms);
  }

  note(outcome: Outcome): void {
    if (!this.#isTold) return;
    if (outcome.result === "ok") this.#count(outcome);
    else this.#tell(outcome);
  }

  /** A request had no answer in the time that its caller gave. It is told if that time is one that its provider usually keeps, or long enough for any. */
  timedOut(outcome: Omit<Outcome, "result">, { of, givenMs, isUnopened }: Wait): void {
    const { provider } = outcome;
    const counts = this.#isEnough(provider, { of, givenMs });
    this.#times[of].missed(provider, givenMs);
    // What came may have been right, and this process unable to open it.
    const isOurs = isUnopened && !this.#faults.unopened(provider, performance.now());
    if (counts && !isOurs) this.note({ ...outcome, result: "timeout" });
  }

  /** An answer came later than its caller expected. A caller that expects what this provider does not usually keep has asked too much. */
  late(outcome: Omit<Outcome, "result">, expectedMs: number): void {
    const isLate = this.#isEnough(outcome.provider, { of: "answer", givenMs: expectedMs });
    this.note({ ...outcome, result: isLate ? "latency" : "ok" });
  }

  /**
   * A gateway has answered with noise.
   * @param epoch that the envelope was sealed for, where the guards have said since that it is in force
   */
  refused(outcome: Omit<Outcome, "result">, epoch: string | undefined): void {
    const { provider, intent, model } = outcome;
    const result = this.#faults.refused({ provider, intent, model, epoch, nowMs: performance.now() });
    this.note({ ...outcome, result });
  }

  /** What answers a request names it, and does not open: this process refuses the provider from now on. */
  blame(provider: string, requestId: string): void {
    this.#endRun(provider);
    const common = this.#common(provider);
    if (this.#isTold)
      this.#queue.add({ ...common, kind: "integrity", request_id: requestId, cause: "bound_response_fails" });
    this.#latches.latch(provider);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const provider of [...this.#runs.keys()]) this.#endRun(provider);
    await this.#queue[Symbol.asyncDispose]();
    this.#shown[Symbol.dispose]();
  }

  #isEnough(provider: string, { of, givenMs }: Pick<Wait, "of" | "givenMs">): boolean {
    return givenMs >= this.#timeoutMinMs || this.#times[of].isUsual(provider, givenMs);
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
