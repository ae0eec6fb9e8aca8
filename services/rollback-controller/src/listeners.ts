/** Functions that run when something happens. */
export class Listeners<T = void> {
  readonly #listeners = new Set<(value: T) => void>();

  add(listener: (value: T) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Runs those that are there now; they may add and remove listeners. */
  notify(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }
}
