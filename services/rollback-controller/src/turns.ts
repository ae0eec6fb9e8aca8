/** Runs `turn` every `everyMs` and whenever it is nudged, never two at once; a nudge in a turn makes one more. */
export class Turns implements AsyncDisposable {
  readonly #turn: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;
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

  /** Nudges after a time; the last call counts. */
  nudgeIn(ms: number): void {
    clearTimeout(this.#soon);
    if (!this.#stopped) this.#soon = setTimeout(() => this.nudge(), ms);
  }

  /** Awaits the turn at work; there is none after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
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
