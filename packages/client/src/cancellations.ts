const HASH_BYTES = 32;

/**
 * The cancellations that were heard lately, so that one which overtakes its request's opening still counts. Bounded: the
 * oldest goes first. Who has the right to publish them can name any hash, and stop no more than that.
 */
export class Cancellations {
  readonly #max: number;
  readonly #hashes = new Set<string>();

  constructor(max = 4096) {
    this.#max = max;
  }

  /** The id of the request that a received message cancels, or `undefined` when it is no SHA-256. */
  note(data: Uint8Array): string | undefined {
    if (data.length !== HASH_BYTES) return undefined;
    const id = cancelId(data);
    this.#hashes.add(id);
    if (this.#hashes.size > this.#max) this.#dropOldest();
    return id;
  }

  has(id: string): boolean {
    return this.#hashes.size > 0 && this.#hashes.has(id);
  }

  #dropOldest(): void {
    for (const oldest of this.#hashes) {
      this.#hashes.delete(oldest);
      return;
    }
  }
}

/** A request's envelope hash in a form that a Map can hold. */
export function cancelId(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString("latin1");
}
