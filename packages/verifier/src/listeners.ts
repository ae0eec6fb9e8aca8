import type { Logger } from "@scbe/runtime";

/** Callbacks that run on each change. A callback that throws is logged, and the others still run. */
export class Listeners {
  readonly #log: Logger;
  readonly #source: string;
  readonly #callbacks = new Set<() => void>();

  /** @param source what changes, for the log */
  constructor(log: Logger, source: string) {
    this.#log = log;
    this.#source = source;
  }

  /** Disposing removes the listener. */
  add(listener: () => void): Disposable {
    // A wrapper of its own, since the same function may be added twice.
    const callback = (): void => listener();
    this.#callbacks.add(callback);
    return { [Symbol.dispose]: () => void this.#callbacks.delete(callback) };
  }

  notify(): void {
    for (const callback of [...this.#callbacks]) {
      try {
        callback();
      } catch (error) {
        this.#log.error({ err: error }, `a listener of ${this.#source} failed`);
      }
    }
  }
}
