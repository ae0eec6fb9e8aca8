import { setTimeout as delay } from "node:timers/promises";
import { backoffMs, type Clock, type Logger, type Readiness } from "@scbe/runtime";
import type { Notice } from "../domain/notice.ts";
import { type Posted, postJson } from "../edge/http.ts";
import type { Destination } from "./destinations.ts";
import type { NoticeMetrics } from "./notice-metrics.ts";

export interface OutboxOptions {
  readonly destination: Destination;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: NoticeMetrics;
  readonly readiness: Readiness;
  readonly times?: OutboxTimes;
}

export interface OutboxTimes {
  /** For one post. */
  readonly timeoutMs: number;
  /** From when a notice is added to when it is given up. */
  readonly deadlineMs: number;
  readonly retry: { readonly firstMs: number; readonly maxMs: number };
}

const TIMES: OutboxTimes = {
  timeoutMs: 10_000,
  deadlineMs: 30 * 60_000,
  retry: { firstMs: 1000, maxMs: 60_000 },
};
/** Posts that wait; a further one is dropped, and said so. */
export const OUTBOX_MAX = 256;
/** When the controller stops. */
const DRAIN_MS = 2000;

interface Letter {
  readonly body: unknown;
  readonly kind: Notice["kind"];
  /** Monotonic ms */
  readonly until: number;
}

/** Tells one destination, in order, each until it is taken or its time is up. Nothing waits for it, and it never throws. */
export class Outbox implements AsyncDisposable {
  readonly #options: OutboxOptions;
  readonly #times: OutboxTimes;
  readonly #waiting: Letter[] = [];
  readonly #stopping = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#times = options.times ?? TIMES;
    options.readiness.set(options.destination.name, { ok: true });
  }

  add(notice: Notice): void {
    const { destination, metrics, log, clock } = this.#options;
    for (const body of destination.bodies(notice)) {
      if (this.#waiting.length >= OUTBOX_MAX) {
        metrics.told(destination.name, "dropped");
        log.error({ to: destination.name, kind: notice.kind }, "a notice was dropped: too many are waiting");
        continue;
      }
      this.#waiting.push({ body, kind: notice.kind, until: clock.monotonic() + this.#times.deadlineMs });
    }
    this.#show();
    if (this.#waiting.length > 0) this.#sending ??= this.#send();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), DRAIN_MS);
    await this.#sending;
    clearTimeout(timer);
    const { destination, metrics, log } = this.#options;
    for (const _ of this.#waiting) metrics.told(destination.name, "dropped");
    const count = this.#waiting.length;
    if (count > 0) log.error({ to: destination.name, count }, "notices are lost");
  }

  async #send(): Promise<void> {
    let failures = 0;
    for (let letter = this.#waiting[0]; letter !== undefined; letter = this.#waiting[0]) {
      if (this.#stopping.signal.aborted) return;
      const outcome = await this.#post(letter.body);
      const pauseMs = outcome.done ? 0 : this.#pauseMs(failures + 1, outcome.retryAfterMs);
      const isLate = this.#options.clock.monotonic() + pauseMs > letter.until;
      if (outcome.done || isLate) {
        this.#waiting.shift();
        failures = 0;
        if (!outcome.done) this.#giveUp(letter, outcome.reason);
        this.#show();
        continue;
      }
      failures += 1;
      this.#failed(letter, outcome.reason);
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    // Here and not by a later callback: what is added in between would wait for a sender that has ended.
    this.#sending = undefined;
  }

  async #post(body: unknown): Promise<Outcome> {
    const { destination, clock, metrics, readiness } = this.#options;
    const { timeoutMs } = this.#times;
    const options = { timeoutMs, signal: this.#stopping.signal, now: clock.now() };
    const outcome = judge(destination, await postJson(destination.url, body, options));
    if (outcome.done && outcome.taken) {
      metrics.told(destination.name, "delivered");
      readiness.set(destination.name, { ok: true });
    }
    if (outcome.done && !outcome.taken) this.#refused(outcome.reason);
    return outcome;
  }

  #pauseMs(failures: number, retryAfterMs = 0): number {
    return Math.max(retryAfterMs, backoffMs(failures, Math.random(), this.#times.retry));
  }

  #failed({ kind }: Letter, reason: string): void {
    const { destination, metrics, log } = this.#options;
    metrics.told(destination.name, "failed");
    log.warn({ to: destination.name, kind, reason }, "a notice was not taken yet");
    this.#note(reason);
  }

  #giveUp({ kind }: Letter, reason: string): void {
    const { destination, metrics, log } = this.#options;
    metrics.told(destination.name, "given_up");
    log.error({ to: destination.name, kind, reason }, "a notice was given up: its time is up");
    this.#note(reason);
  }

  /** Trying again would not help. */
  #refused(reason: string): void {
    const { destination, metrics, log } = this.#options;
    metrics.told(destination.name, "given_up");
    log.error({ to: destination.name, reason }, "a notice was refused: are its key and address right?");
    this.#note(reason);
  }

  #note(reason: string): void {
    const { destination, readiness } = this.#options;
    readiness.set(destination.name, { ok: true, note: `the last notice was not taken: ${reason}` });
  }

  #show(): void {
    this.#options.metrics.waiting(this.#options.destination.name, this.#waiting.length);
  }
}

type Outcome =
  | { readonly done: true; readonly taken: true }
  | { readonly done: true; readonly taken: false; readonly reason: string }
  | { readonly done: false; readonly reason: string; readonly retryAfterMs?: number | undefined };

/** A 4xx says that the post itself is wrong, but for those that speak of time; all else may pass. */
function judge(destination: Destination, posted: Posted): Outcome {
  if (!posted.ok) return { done: false, reason: posted.reason };
  const { status, text, retryAfterMs } = posted;
  if (destination.accepts(status, text)) return { done: true, taken: true };
  const reason = status >= 200 && status < 300 ? `status ${status}, but not its words` : `status ${status}`;
  const isFinal = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
  return isFinal ? { done: true, taken: false, reason } : { done: false, reason, retryAfterMs };
}
