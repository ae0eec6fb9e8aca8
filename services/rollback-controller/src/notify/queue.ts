import { setTimeout as delay } from "node:timers/promises";
import type { NoticeDestination, NoticeResult } from "@scbe/contracts";
import {
  backoffMs,
  type Clock,
  counter,
  gauge,
  type Logger,
  type MetricsRegistry,
  type Readiness,
} from "@scbe/runtime";
import { type Posted, postJson } from "../edge/http.ts";
import type { Destination, Notice } from "./notice.ts";

export interface NoticeQueueOptions {
  readonly destination: Destination;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: NoticeMetrics;
  readonly readiness: Readiness;
  readonly times?: NoticeTimes;
}

export interface NoticeTimes {
  /** For one post. */
  readonly timeoutMs: number;
  /** From the arrival of a notice until the queue gives it up. */
  readonly deadlineMs: number;
  readonly retry: { readonly firstMs: number; readonly maxMs: number };
}

const TIMES: NoticeTimes = {
  timeoutMs: 10_000,
  deadlineMs: 30 * 60_000,
  retry: { firstMs: 1000, maxMs: 60_000 },
};
/** Posts that wait; a further one is dropped, with a log entry. */
export const QUEUE_MAX = 256;
/** For the queue at shutdown. */
const DRAIN_MS = 2000;

interface Queued {
  readonly body: unknown;
  readonly kind: Notice["kind"];
  /** Monotonic ms */
  readonly until: number;
}

/** Posts notices to one destination in order, each until it is accepted or its time is up. Nothing waits for it, and it never throws. */
export class NoticeQueue implements AsyncDisposable {
  readonly #options: NoticeQueueOptions;
  readonly #times: NoticeTimes;
  readonly #waiting: Queued[] = [];
  readonly #stopping = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(options: NoticeQueueOptions) {
    this.#options = options;
    this.#times = options.times ?? TIMES;
    options.readiness.set(options.destination.name, { ok: true });
  }

  add(notice: Notice): void {
    const { destination, metrics, log, clock } = this.#options;
    for (const body of destination.bodies(notice)) {
      if (this.#waiting.length >= QUEUE_MAX) {
        metrics.result(destination.name, "dropped");
        log.error({ to: destination.name, kind: notice.kind }, "a notice was dropped: too many are waiting");
        continue;
      }
      this.#waiting.push({ body, kind: notice.kind, until: clock.monotonic() + this.#times.deadlineMs });
    }
    this.#countWaiting();
    if (this.#waiting.length > 0) this.#sending ??= this.#send();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), DRAIN_MS);
    await this.#sending;
    clearTimeout(timer);
    const { destination, metrics, log } = this.#options;
    for (const _ of this.#waiting) metrics.result(destination.name, "dropped");
    const count = this.#waiting.length;
    if (count > 0) log.error({ to: destination.name, count }, "notices are lost");
  }

  async #send(): Promise<void> {
    let failures = 0;
    for (let queued = this.#waiting[0]; queued !== undefined; queued = this.#waiting[0]) {
      if (this.#stopping.signal.aborted) return;
      const outcome = await this.#post(queued.body);
      const pauseMs = outcome.done ? 0 : this.#pauseMs(failures + 1, outcome.retryAfterMs);
      const isLate = this.#options.clock.monotonic() + pauseMs > queued.until;
      if (outcome.done || isLate) {
        this.#waiting.shift();
        failures = 0;
        if (!outcome.done) this.#giveUp(queued, outcome.reason);
        this.#countWaiting();
        continue;
      }
      failures += 1;
      this.#failed(queued, outcome.reason);
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    // Here and not in a later callback: a notice that is added in between would find a sender that has ended.
    this.#sending = undefined;
  }

  async #post(body: unknown): Promise<Outcome> {
    const { destination, clock, metrics, readiness } = this.#options;
    const { timeoutMs } = this.#times;
    const options = { timeoutMs, signal: this.#stopping.signal, now: clock.now() };
    const outcome = judge(destination, await postJson(destination.url, body, options));
    if (outcome.done && outcome.accepted) {
      metrics.result(destination.name, "delivered");
      readiness.set(destination.name, { ok: true });
    }
    if (outcome.done && !outcome.accepted) this.#refused(outcome.reason);
    return outcome;
  }

  #pauseMs(failures: number, retryAfterMs = 0): number {
    return Math.max(retryAfterMs, backoffMs(failures, Math.random(), this.#times.retry));
  }

  #failed({ kind }: Queued, reason: string): void {
    const { destination, metrics, log } = this.#options;
    metrics.result(destination.name, "failed");
    log.warn({ to: destination.name, kind, reason }, "a notice was not accepted yet");
    this.#note(reason);
  }

  #giveUp({ kind }: Queued, reason: string): void {
    const { destination, metrics, log } = this.#options;
    metrics.result(destination.name, "given_up");
    log.error({ to: destination.name, kind, reason }, "a notice was given up: its time is up");
    this.#note(reason);
  }

  /** After a refusal a retry would not help. */
  #refused(reason: string): void {
    const { destination, metrics, log } = this.#options;
    metrics.result(destination.name, "given_up");
    log.error({ to: destination.name, reason }, "a notice was refused: are its key and address right?");
    this.#note(reason);
  }

  #note(reason: string): void {
    const { destination, readiness } = this.#options;
    readiness.set(destination.name, { ok: true, note: `the last notice was not accepted: ${reason}` });
  }

  #countWaiting(): void {
    this.#options.metrics.waiting(this.#options.destination.name, this.#waiting.length);
  }
}

export interface NoticeMetrics {
  result(to: NoticeDestination, result: NoticeResult): void;
  waiting(to: NoticeDestination, count: number): void;
}

export function noticeMetrics(registry: MetricsRegistry): NoticeMetrics {
  const results = counter(registry, "scbe_notices_total");
  const waiting = gauge(registry, "scbe_notices_waiting");
  return {
    result: (to, result) => results.inc({ to, result }),
    waiting: (to, count) => waiting.set({ to }, count),
  };
}

type Outcome =
  | { readonly done: true; readonly accepted: true }
  | { readonly done: true; readonly accepted: false; readonly reason: string }
  | { readonly done: false; readonly reason: string; readonly retryAfterMs?: number | undefined };

/** A 4xx refuses the post itself, except for the statuses about time; all other failures may pass. */
function judge(destination: Destination, posted: Posted): Outcome {
  if (!posted.ok) return { done: false, reason: posted.reason };
  const { status, text, retryAfterMs } = posted;
  if (destination.accepts(status, text)) return { done: true, accepted: true };
  const reason = status >= 200 && status < 300 ? `status ${status}, but not its words` : `status ${status}`;
  const isFinal = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
  return isFinal ? { done: true, accepted: false, reason } : { done: false, reason, retryAfterMs };
}
