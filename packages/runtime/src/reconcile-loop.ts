/** Runs `turn` every `everyMs` and whenever it is nudged, never two at once; a nudge in a turn makes one more. */
export class ReconcileLoop implements AsyncDisposable {
  readonly #turn: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #later: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  /** @param turn handles its own failures */
  constructor(turn: () => Promise<void>, everyMs: number) {
    this.#turn = turn;
    this.#timer = setInterval(() => this.nudge(), everyMs);
  }

  nudge(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#running ??= this.#run();
  }

  /** Nudges after a time, unless that is to come already. */
  nudgeIn(ms: number): void {
    if (this.#stopped) return;
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.nudge();
    }, ms);
  }

  /** Awaits the turn at work; there is none after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#later);
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await this.#turn();
    }
    // Here and not by a later callback: a nudge in between would wait for a run that has ended.
    this.#running = undefined;
  }
}
