import type { Clock } from "@scbe/runtime";

/** A scorer speaks ten times as often. */
export const LIVENESS_MS = 5000;

export interface LivenessOptions {
  readonly clock: Pick<Clock, "monotonic">;
  /** Runs when {@link Liveness.isHeard} has become another, and after the first silence. */
  onChange(isHeard: boolean): void;
  /** Runs after each {@link LIVENESS_MS} without a word, counted from the start too. */
  onSilence(): void;
}

/** Whether somebody who speaks regularly is still heard, by this process's monotonic clock alone. Disposing ends the telling. */
export class Liveness implements Disposable {
  readonly #options: LivenessOptions;
  /** Monotonic ms; undefined: nothing was heard yet. */
  #heardAt: number | undefined;
  /** What was told last; undefined: nothing. */
  #told: boolean | undefined;
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
    this.#tell();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  get #leftMs(): number {
    if (this.#heardAt === undefined) return 0;
    return this.#heardAt + LIVENESS_MS - this.#options.clock.monotonic();
  }

  #wait(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#look(), Math.ceil(ms)).unref();
  }

  #look(): void {
    const { isHeard } = this;
    // Timers may be early.
    this.#timer = this.#wait(isHeard ? this.#leftMs : LIVENESS_MS);
    if (isHeard) return;
    this.#tell();
    this.#options.onSilence();
  }

  #tell(): void {
    const { isHeard } = this;
    if (isHeard === this.#told) return;
    this.#told = isHeard;
    this.#options.onChange(isHeard);
  }
}
