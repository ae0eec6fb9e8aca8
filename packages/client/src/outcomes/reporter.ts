import { randomUUID } from "node:crypto";
import type { Bus } from "@scbe/bus";
import { type ErrorCode, OUTCOMES_MAX, type OutcomeResult } from "@scbe/contracts";
import { type Clock, counter, type Logger, type MetricsRegistry, watchGauge } from "@scbe/runtime";
import type { OwnLatches } from "@scbe/verifier";
import { OwnFaults, type RequestKind } from "./own-faults.ts";
import { OutcomeQueue } from "./queue.ts";
import { UsualTimes } from "./usual-times.ts";

export interface OutcomeReporterOptions {
  readonly bus: Pick<Bus, "user" | "request" | "onConnection">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** The providers that this process refuses because it saw their integrity fail. */
  readonly latches: Pick<OwnLatches, "latch" | "settled">;
  /** After this time without an answer, a timeout counts against any provider. */
  readonly timeoutMinMs: number;
  /** False if the deployment has no trust scorers: then nothing is reported. */
  readonly reportsOutcomes: boolean;
}

/** The outcome of one attempt at one provider. */
export interface Outcome extends RequestKind {
  readonly provider: string;
  readonly requestId: string;
  readonly result: OutcomeResult;
  /** From the beginning of the attempt. */
  readonly latencyMs: number;
}

/** A wait that ended without an answer. */
export interface Wait {
  /** For any response of a gateway (`accepted` or the answer), or for the answer after `accepted`. */
  readonly of: "response" | "answer";
  readonly givenMs: number;
  /** A reply did not open for a reason that can lie with this process. */
  readonly isUnopened: boolean;
}

/** Consecutive successes of one provider. */
interface Run {
  count: number;
  startedAt: number;
  readonly timer: NodeJS.Timeout;
}

/** Successes are frequent and not urgent: they are collected this long into one event. */
const RUN_MS = 250;
/** The maximum duration of a request. */
const LATENCY_MS_MAX = 3_600_000;

/**
 * Reports the outcomes of requests to the trust scorers. Consecutive successes of a provider become one event, which is the same evidence
 * at lower cost. Every other outcome is reported at once in its own event.
 */
export class OutcomeReporter implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #queue: OutcomeQueue;
  readonly #runs = new Map<string, Run>();
  readonly #faults = new OwnFaults();
  readonly #times = { response: new UsualTimes(), answer: new UsualTimes() };
  readonly #latches: OutcomeReporterOptions["latches"];
  readonly #timeoutMinMs: number;
  readonly #reportsOutcomes: boolean;
  readonly #gauge: Disposable;

  constructor({ clock, metrics, latches, timeoutMinMs, reportsOutcomes, ...rest }: OutcomeReporterOptions) {
    const reports = counter(metrics, "scbe_outcome_reports_total");
    this.#gauge = watchGauge(metrics, "scbe_outcome_reports_waiting", () => [[{}, this.#queue.waiting]]);
    this.#clock = clock;
    this.#latches = latches;
    this.#timeoutMinMs = timeoutMinMs;
    this.#reportsOutcomes = reportsOutcomes;
    this.#queue = new OutcomeQueue({
      ...rest,
      onResult: (result, count) => reports.inc({ result }, count),
      onIntegritySettled: (provider, seq) => latches.settled(provider, seq),
    });
  }

  /**
   * An answer of the provider has verified, whatever its content.
   * @param ms from sending to the answer; undefined if it does not show how long the provider takes
   */
  answered(provider: string, kind: RequestKind, ms: number | undefined): void {
    this.#faults.answered(provider, kind, performance.now());
    if (ms !== undefined) this.#times.answer.answered(provider, ms);
  }

  /** A gateway has accepted or answered a request, this long after it was sent. */
  responded(provider: string, ms: number): void {
    this.#times.response.answered(provider, ms);
  }

  note(outcome: Outcome): void {
    if (!this.#reportsOutcomes) return;
    if (outcome.result === "ok") this.#count(outcome);
    else this.#report(outcome);
  }

  /** A request timed out. Reported if the provider usually answers within that time, or any provider should. */
  timedOut(outcome: Omit<Outcome, "result">, { of, givenMs, isUnopened }: Wait): void {
    const { provider } = outcome;
    const counts = this.#isEnough(provider, { of, givenMs });
    this.#times[of].missed(provider, givenMs);
    // The reply can have been right, and this process unable to open it.
    const isOurs = isUnopened && !this.#faults.unopened(provider, performance.now());
    if (counts && !isOurs) this.note({ ...outcome, result: "timeout" });
  }

  /** An answer came later than `expects.withinMs`. It counts as a success if the provider does not usually keep that time. */
  late(outcome: Omit<Outcome, "result">, expectedMs: number): void {
    const isLate = this.#isEnough(outcome.provider, { of: "answer", givenMs: expectedMs });
    this.note({ ...outcome, result: isLate ? "latency" : "ok" });
  }

  /**
   * A gateway has answered with noise.
   * @param epoch the envelope's, if the replay guards have confirmed it since
   */
  refused(outcome: Omit<Outcome, "result">, epoch: string | undefined): void {
    const { provider, intent, model } = outcome;
    const result = this.#faults.refused({ provider, intent, model, epoch, nowMs: performance.now() });
    this.note({ ...outcome, result });
  }

  /** A reply names the request as its own and does not open: this process refuses the provider from now on. */
  blame(provider: string, requestId: string): void {
    this.#endRun(provider);
    const common = this.#common(provider);
    if (this.#reportsOutcomes)
      this.#queue.add({ ...common, kind: "integrity", request_id: requestId, cause: "bound_response_fails" });
    this.#latches.latch(provider);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const provider of [...this.#runs.keys()]) this.#endRun(provider);
    await this.#queue[Symbol.asyncDispose]();
    this.#gauge[Symbol.dispose]();
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

  #report({ provider, requestId, result, latencyMs }: Outcome): void {
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

/** The outcome that an attempt's error is for its provider; undefined if it is no evidence. */
export function resultOf(code: ErrorCode): OutcomeResult | undefined {
  return RESULTS[code];
}

/** Errors of the caller, of this process and of the control plane are no evidence about the provider. */
const RESULTS: Readonly<Partial<Record<ErrorCode, OutcomeResult>>> = {
  HANDLER_FAILED: "provider_error",
  TIMEOUT: "timeout",
  NO_RESPONDERS: "no_responders",
  BUSY: "busy",
  REFUSED: "refused",
};
