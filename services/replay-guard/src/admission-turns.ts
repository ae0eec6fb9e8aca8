import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "@scbe/runtime";

export interface ReconcileLoopOptions {
  /** Handles its own failures. */
  readonly turn: () => Promise<void>;
  readonly clock: Clock;
  /** Between two turns when nothing happens. */
  readonly everyMs: number;
  /** Between the starts of two turns, whatever happens. */
  readonly gapMs: number;
}

/** Runs one turn after the other: every so often, and whenever somebody needs one. */
export class ReconcileLoop implements AsyncDisposable {
  readonly #options: ReconcileLoopOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #stopping = new AbortController();
  #waiting: PromiseWithResolvers<void> | undefined;
  #current: Promise<void> | undefined;
  #loop: Promise<void> | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReconcileLoopOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.next(), options.everyMs);
  }

  /** Resolves when a turn has ended that starts from now on. */
  next(): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    this.#waiting ??= Promise.withResolvers<void>();
    const { promise } = this.#waiting;
    this.#loop ??= this.#run();
    return promise;
  }

  /** Resolves when the turn at work has ended; without one, at once if the last one began within `maxAgeMs`, else as {@link next}. */
  recent(maxAgeMs: number): Promise<void> {
    if (this.#current !== undefined) return this.#current;
    const ageMs = this.#options.clock.monotonic() - this.#startedAt;
    return ageMs <= maxAgeMs ? Promise.resolve() : this.next();
  }

  /** Awaits the turn at work; there is none after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    await this.#loop;
    this.#waiting?.resolve();
  }

  async #run(): Promise<void> {
    const { clock, gapMs, turn } = this.#options;
    const { signal } = this.#stopping;
    while (this.#waiting !== undefined) {
      const restMs = this.#startedAt + gapMs - clock.monotonic();
      if (restMs > 0) await delay(restMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      this.#startedAt = clock.monotonic();
      this.#current = turn();
      await this.#current;
      this.#current = undefined;
      resolve();
    }
    // Here and not by a later callback: whoever asks in between would be left to a loop that has ended.
    this.#loop = undefined;
  }
}
