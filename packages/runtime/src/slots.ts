/**
 * What is under way just now, each in a slot of its own: for what comes and goes with every request, in place of a Map or a
 * Set. V8's tables of those point to the table that replaced them. Once a major collection has moved one into old space, it
 * keeps all later ones, and with them whatever they ever held, until the next major collection.
 */
export class Slots<T> implements Iterable<T> {
  readonly #items: (T | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#items.length - this.#free.length;
  }

  /** Returns its slot, which is its own until it is removed. */
  add(item: T): number {
    const slot = this.#free.pop() ?? this.#items.length;
    this.#items[slot] = item;
    return slot;
  }

  /** What is in a slot; for a number that is none, nothing. */
  at(slot: number): T | undefined {
    return this.#items[slot];
  }

  /** Removing from an empty slot changes nothing. */
  remove(slot: number): void {
    if (this.#items[slot] === undefined) return;
    this.#items[slot] = undefined;
    this.#free.push(slot);
  }

  /** Those that are here now; they may go, and others come, meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    for (const item of [...this.#items]) if (item !== undefined) yield item;
  }
}
