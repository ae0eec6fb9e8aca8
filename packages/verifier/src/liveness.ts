import type { Clock } from "@scbe/runtime";

/** A scorer broadcasts ten times as often. */
export const LIVENESS_MS = 5000;

export interface LivenessOptions {
  readonly clock: Pick<Clock, "monotonic">;
  /** Runs when {@link Liveness.isHeard} changes, and after the first silence. */
  onChange(isHeard: boolean): void;
  /** Runs after each {@link LIVENESS_MS} of silence, counted from the start too. */
  onSilence(): void;
}

/** Whether a regular sender is still heard, by this process's monotonic clock alone. Disposing stops the reports. */
export class Liveness implements Disposable {
  readonly #options: LivenessOptions;
  /** Monotonic ms; undefined before the first message. */
  #heardAt: number | undefined;
  /** The last state that was reported. */
  #reported: boolean | undefined;
  #timer: NodeJS.Timeout;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#timer = this.#wait(LIVENESS_MS);
  }

  get isHeard(): boolean {
    return this.#leftMs > 0;
  }

  heard(): void {
    this.#heardAt = this.#options.clock.monotonic();
    clearTimeout(this.#timer);
    this.#timer = this.#wait(LIVENESS_MS);
    this.#report();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  get #leftMs(): number {
    if (this.#heardAt === undefined) return 0;
    return this.#heardAt + LIVENESS_MS - this.#options.clock.monotonic();
  }

  #wait(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#check(), Math.ceil(ms)).unref();
  }

  #check(): void {
    const { isHeard } = this;
    // Timers can fire early.
    this.#timer = this.#wait(isHeard ? this.#leftMs : LIVENESS_MS);
    if (isHeard) return;
    this.#report();
    this.#options.onSilence();
  }

  #report(): void {
    const { isHeard } = this;
    if (isHeard === this.#reported) return;
    this.#reported = isHeard;
    this.#options.onChange(isHeard);
  }
}
