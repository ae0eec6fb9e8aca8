import type { GrantMeta, RingState } from "@scbe/contracts";
import type { OpeningKeys, SealingKeys, Subkeys } from "@scbe/envelope";

/** One line of a ring. */
type RingKey = RingState["keys"][number];

/**
 * The subkeys that this process holds, by (kid, provider, intent). Lookups are synchronous and never fetch: whatever is
 * not here already opens nothing and seals nothing.
 */
export class SubkeyStore implements SealingKeys, OpeningKeys {
  readonly #held = new Map<string, Subkeys>();
  readonly #active = new Map<string, { readonly subkeys: Subkeys; readonly generation: number }>();
  /** kid to the ms since the Unix epoch at which it ends; absent: no end. */
  readonly #ends = new Map<string, number>();

  active(provider: string, intent: string): Subkeys | undefined {
    return this.#active.get(pairId(provider, intent))?.subkeys;
  }

  find(kid: string, provider: string, intent: string): Subkeys | undefined {
    return this.#held.get(keyId(kid, provider, intent));
  }

  /** Keys held, all states together. */
  get size(): number {
    return this.#held.size;
  }

  /** Keys held of one provider. */
  countOf(provider: string): number {
    let count = 0;
    for (const subkeys of this.#held.values()) if (subkeys.provider === provider) count += 1;
    return count;
  }

  /**
   * Takes what a grant brought; `meta` as it is now, not as it was when the grant was made. The newest active key of a
   * provider and intent seals, and goes on sealing until the next one is here or it may not open any more itself.
   */
  install(subkeys: Subkeys, meta: GrantMeta): void {
    const { kid, provider, intent } = subkeys;
    this.#held.set(keyId(kid, provider, intent), subkeys);
    this.#setEnd(kid, meta.not_after);
    if (meta.state !== "active") return;
    const pair = pairId(provider, intent);
    const generation = meta.ring_generation;
    if (generation >= (this.#active.get(pair)?.generation ?? 0)) {
      this.#active.set(pair, { subkeys, generation });
    }
  }

  /** Drops every key that `ring` does not let open any more, or that has reached its end. */
  obey(ring: RingState, nowMs: number): void {
    const openable = new Map(openableKeys(ring, nowMs).map((key) => [key.kid, key]));
    for (const { kid } of this.#held.values()) this.#setEnd(kid, openable.get(kid)?.not_after ?? null);
    this.#dropUnless((kid) => openable.has(kid));
  }

  /** Drops every key that has reached its end: a keyring that is away must not prolong any. */
  expire(nowMs: number): void {
    this.#dropUnless((kid) => nowMs < (this.#ends.get(kid) ?? Number.POSITIVE_INFINITY));
  }

  /** Drops all of it. */
  clear(): void {
    this.#dropUnless(() => false);
  }

  #setEnd(kid: string, notAfter: number | null): void {
    if (notAfter === null) this.#ends.delete(kid);
    else this.#ends.set(kid, notAfter);
  }

  #dropUnless(mayStay: (kid: string) => boolean): void {
    for (const [id, { kid }] of this.#held) if (!mayStay(kid)) this.#held.delete(id);
    for (const [id, { subkeys }] of this.#active) if (!mayStay(subkeys.kid)) this.#active.delete(id);
    for (const kid of this.#ends.keys()) if (!mayStay(kid)) this.#ends.delete(kid);
  }
}

/** The keys of a ring that may open at `nowMs`. */
export function openableKeys(ring: RingState, nowMs: number): readonly RingKey[] {
  return ring.keys.filter((key) => mayOpen(key, nowMs));
}

/** Whether a key in this state, with this end, opens at `nowMs`. */
export function mayOpen({ state, not_after }: Pick<RingKey, "state" | "not_after">, nowMs: number): boolean {
  return (state === "active" || state === "decrypt-only") && (not_after === null || nowMs < not_after);
}

/** Names hold no space, so no two triples share an id. */
function keyId(kid: string, provider: string, intent: string): string {
  return `${kid} ${provider} ${intent}`;
}

function pairId(provider: string, intent: string): string {
  return `${provider} ${intent}`;
}
