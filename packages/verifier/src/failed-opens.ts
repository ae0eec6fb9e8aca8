import type { OpeningKeys, Phase, TagCheck } from "@scbe/envelope";

type Key = Pick<TagCheck, "phase" | "provider" | "intent" | "kid">;

/**
 * How many tags have not verified under each key that is held: what one key may see of that is a budget, however long it
 * takes. As many as there are keys and phases; what is not held any more is forgotten.
 */
export class FailedOpens {
  readonly #keys: OpeningKeys;
  readonly #counts = new Map<string, { readonly key: Key; count: number }>();

  constructor(keys: OpeningKeys) {
    this.#keys = keys;
  }

  note({ verified, ...key }: TagCheck): void {
    if (verified) return;
    const id = `${key.phase} ${key.provider} ${key.intent} ${key.kid}`;
    const known = this.#counts.get(id);
    if (known === undefined) {
      this.#forget();
      this.#counts.set(id, { key, count: 1 });
    } else known.count += 1;
  }

  /** The most of one key. */
  most(phase: Phase, provider: string): number {
    this.#forget();
    const counts = [...this.#counts.values()]
      .filter(({ key }) => key.phase === phase && key.provider === provider)
      .map(({ count }) => count);
    return Math.max(0, ...counts);
  }

  #forget(): void {
    for (const [id, { key }] of this.#counts) {
      if (this.#keys.find(key.kid, key.provider, key.intent) === undefined) this.#counts.delete(id);
    }
  }
}
