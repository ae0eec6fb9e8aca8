/**
 * A collection for items that come and go with every request, in place of a Map or a Set: each item has a numbered slot. V8's hash tables point
 * to the table that replaced them. Once a major collection has moved one into old space, it retains all later tables, and with them everything
 * they ever held, until the next major collection.
 */
export class Slots<T> implements Iterable<T> {
  readonly #items: (T | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#items.length - this.#free.length;
  }

  /** Returns the item's slot, which stays the same until the item is removed. */
  add(item: T): number {
    const slot = this.#free.pop() ?? this.#items.length;
    this.#items[slot] = item;
    return slot;
  }

  /** The item in a slot; `undefined` for an empty slot and for any other number. */
  at(slot: number): T | undefined {
    return this.#items[slot];
  }

  /** Removing from an empty slot changes nothing. */
  remove(slot: number): void {
    if (this.#items[slot] === undefined) return;
    this.#items[slot] = undefined;
    this.#free.push(slot);
  }

  /** The items that are here now; meanwhile items may be added and removed. */
  *[Symbol.iterator](): Iterator<T> {
    for (const item of [...this.#items]) if (item !== undefined) yield item;
  }
}
