/** One turn after the other, at regular times and when nudged; never two at once. */
export class Turns implements AsyncDisposable {
  readonly #turn: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #nudge: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  /** @param turn handles its own failures */
  constructor(turn: () => Promise<void>, everyMs: number) {
    this.#turn = turn;
    this.#timer = setInterval(() => this.#start(), everyMs);
  }

  /** Takes a turn after this long, if none was asked for already; nudges in the meantime are one. */
  soon(waitMs: number): void {
    if (this.#stopped) return;
    this.#nudge ??= setTimeout(() => {
      this.#nudge = undefined;
      if (this.#running === undefined) this.#start();
      else this.soon(waitMs);
    }, waitMs);
  }

  /** Awaits the turn at work; there is none after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#nudge);
    await this.#running;
  }

  #start(): void {
    this.#running ??= this.#turn().finally(() => {
      this.#running = undefined;
    });
  }
}
