/** Callbacks that run on every change of something, each until it is disposed of. */
export class Listeners<Args extends readonly unknown[] = []> {
  readonly #listeners = new Set<(...args: Args) => void>();
  readonly #onError: ((error: unknown) => void) | undefined;

  /** @param onError gets what a listener throws, so that the others still run; without it, the error reaches the notifier */
  constructor(onError?: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** The same function may be added twice: each disposal removes one of the two. */
  add(listener: (...args: Args) => void): Disposable {
    const own = (...args: Args): void => listener(...args);
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  /** Runs the listeners that are there now; they may add and remove listeners meanwhile. */
  notify(...args: Args): void {
    for (const listener of [...this.#listeners]) this.#run(listener, args);
  }

  clear(): void {
    this.#listeners.clear();
  }

  #run(listener: (...args: Args) => void, args: Args): void {
    if (this.#onError === undefined) {
      listener(...args);
      return;
    }
    try {
      listener(...args);
    } catch (error) {
      this.#onError(error);
    }
  }
}
