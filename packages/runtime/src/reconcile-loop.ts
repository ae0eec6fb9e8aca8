import { setTimeout as delay } from "node:timers/promises";
import { type Clock, systemClock } from "./clock.ts";

export interface ReconcileLoopOptions {
  readonly clock?: Clock;
  /** The least time between the starts of two passes; default 0. */
  readonly gapMs?: number;
}

/** Runs a pass every `everyMs` and on request, never two at once. All requests during a pass share the next one. */
export class ReconcileLoop implements AsyncDisposable {
  readonly #pass: () => Promise<void>;
  readonly #clock: Clock;
  readonly #gapMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #stopping = new AbortController();
  #later: NodeJS.Timeout | undefined;
  #wanted: PromiseWithResolvers<void> | undefined;
  #current: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;

  /** @param pass handles its own failures */
  constructor(
    pass: () => Promise<void>,
    everyMs: number,
    { clock = systemClock, gapMs = 0 }: ReconcileLoopOptions = {},
  ) {
    this.#pass = pass;
    this.#clock = clock;
    this.#gapMs = gapMs;
    this.#timer = setInterval(() => this.nudge(), everyMs);
  }

  /** Requests a pass that starts from now on. */
  nudge(): void {
    void this.next();
  }

  /** Requests a pass after a time, unless one is scheduled already. */
  nudgeIn(ms: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.nudge();
    }, ms);
  }

  /** Requests a pass that starts from now on; resolves when it has ended, or the loop is disposed of. */
  next(): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    this.#wanted ??= Promise.withResolvers<void>();
    const { promise } = this.#wanted;
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when the current pass has ended; between passes, at once if the last one began within `maxAgeMs`, else as {@link next}. */
  recent(maxAgeMs: number): Promise<void> {
    if (this.#current !== undefined) return this.#current;
    const ageMs = this.#clock.monotonic() - this.#startedAt;
    return ageMs <= maxAgeMs ? Promise.resolve() : this.next();
  }

  /** Awaits the current pass; no pass starts after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    clearTimeout(this.#later);
    await this.#running;
    this.#wanted?.resolve();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (this.#wanted !== undefined) {
      const restMs = this.#startedAt + this.#gapMs - this.#clock.monotonic();
      if (restMs > 0) await delay(restMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const { resolve } = this.#wanted;
      this.#wanted = undefined;
      this.#startedAt = this.#clock.monotonic();
      this.#current = this.#pass();
      await this.#current;
      this.#current = undefined;
      resolve();
    }
    // Here and not in a later callback: a request in between would wait for a run that has ended.
    this.#running = undefined;
  }
}
