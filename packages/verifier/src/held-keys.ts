import type { GrantMeta, KeyState, RingState } from "@scbe/contracts";
import type { OpeningKeys, SealingKeys, Subkeys } from "@scbe/envelope";
import type { WantedKey } from "./fetch-grant.ts";

export interface HeldKeysOptions {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  /** ms since the Unix epoch. */
  readonly now: () => number;
}

/** What the keyring has said of a kid, and in which generation. */
interface Word {
  readonly state: KeyState;
  readonly not_after: number | null;
  readonly generation: number;
}

/**
 * The subkeys that this process holds, and what may be done with them (docs/spec/envelope-v1.md, "States of a key"): rings and grants go in,
 * verified; which keys seal and open, and which are still to be fetched, comes out. Lookups are synchronous and never fetch.
 */
export class HeldKeys implements SealingKeys, OpeningKeys {
  readonly #options: HeldKeysOptions;
  readonly #held = new Map<string, Subkeys>();
  /** By kid: the newest word on it. */
  readonly #words = new Map<string, Word>();
  /** By provider and intent: the subkeys that seal. */
  readonly #sealing = new Map<string, Subkeys>();
  #activeKid: string | undefined;
  /** Of the grant that set the active kid last. A ring needs none: a grant whose word counts is newer than it anyhow. */
  #activeGeneration = 0;
  #ring: RingState | undefined;
  /** The highest generation of a grant. */
  #granted = 0;
  /** The first end of a kid that opens, ms since the Unix epoch: nothing has to be wiped before it. */
  #nextEnd = Number.POSITIVE_INFINITY;

  constructor(options: HeldKeysOptions) {
    this.#options = options;
  }

  /** The ring that is obeyed. */
  get ring(): RingState | undefined {
    return this.#ring;
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

  find(kid: string, provider: string, intent: string): Subkeys | undefined {
    this.expire();
    return this.#held.get(keyId(kid, provider, intent));
  }

  /** The active key once it is held; until then the one that sealed before, while it opens and the active one has not ended. */
  active(provider: string, intent: string): Subkeys | undefined {
    this.expire();
    return this.#sealing.get(pairId(provider, intent));
  }

  /** Whether a ring is newer than the one that is obeyed, and not older than what a grant has told. */
  isNews({ generation }: RingState): boolean {
    const isNewer = this.#ring === undefined || generation > this.#ring.generation;
    return isNewer && generation >= this.#granted;
  }

  /** Obeys a ring that is news: its word is the word on every key, and what it does not let open is wiped. */
  obey(ring: RingState): void {
    this.expire();
    const { generation } = ring;
    this.#ring = ring;
    this.#words.clear();
    for (const { kid, state, not_after } of ring.keys) this.#words.set(kid, { state, not_after, generation });
    this.#activeKid = ring.keys.find(({ state }) => state === "active")?.kid;
    this.#settle();
  }

  /** Takes what a grant brought, unless it opens nothing by the newest word on its kid, which may be the grant's own. */
  take(subkeys: Subkeys, meta: GrantMeta): void {
    this.expire();
    this.#hear(meta);
    const { kid, provider, intent } = subkeys;
    this.#held.set(keyId(kid, provider, intent), subkeys);
    this.#settle();
  }

  /**
   * Wipes every key whose end has come: a keyring that is away must not prolong any. What is wiped is back only by a grant, whatever a newer
   * word or the clock says; so this comes before all that looks at the keys or changes them.
   */
  expire(): void {
    if (this.#options.now() >= this.#nextEnd) this.#settle();
  }

  /** Drops every key. */
  clear(): void {
    this.#held.clear();
    this.#sealing.clear();
  }

  /** Every key that opens and is not held; before a ring was heard, the active one wherever nothing seals. */
  missing(): WantedKey[] {
    this.expire();
    if (this.#ring === undefined) return this.withoutSealing().map((pair) => ({ kid: "", ...pair }));
    return [...this.#words.keys()]
      .filter((kid) => this.#opens(kid))
      .flatMap((kid) => this.#pairs().map((pair) => ({ kid, ...pair })))
      .filter(({ kid, provider, intent }) => !this.#held.has(keyId(kid, provider, intent)));
  }

  /** Where nothing seals. */
  withoutSealing(): readonly Omit<WantedKey, "kid">[] {
    return this.#pairs().filter(({ provider, intent }) => this.active(provider, intent) === undefined);
  }

  /** A grant may come after a ring, or another grant, that is at least as new as it: then that says what becomes of its key. */
  #hear({ kid, state, not_after, ring_generation: generation }: GrantMeta): void {
    this.#granted = Math.max(this.#granted, generation);
    const known = this.#words.get(kid) ?? this.#ring;
    if (known !== undefined && generation <= known.generation) return;
    this.#words.set(kid, { state, not_after, generation });
    if (state !== "active" || generation <= this.#activeGeneration) return;
    this.#activeKid = kid;
    this.#activeGeneration = generation;
  }

  /** Wipes what opens no more, has the active key seal wherever it is held, and reckons the next end. */
  #settle(): void {
    const opening = new Map([...this.#words].filter(([kid]) => this.#opens(kid)));
    for (const [id, { kid }] of this.#held) if (!opening.has(kid)) this.#held.delete(id);
    for (const [id, { kid }] of this.#sealing) if (!opening.has(kid)) this.#sealing.delete(id);
    const active = [...opening].find(([kid]) => kid === this.#activeKid)?.[1];
    if (active === undefined) this.#sealing.clear();
    for (const subkeys of this.#held.values()) {
      const seals = active?.state === "active" && subkeys.kid === this.#activeKid;
      if (seals) this.#sealing.set(pairId(subkeys.provider, subkeys.intent), subkeys);
    }
    this.#nextEnd = Math.min(...[...opening.values()].flatMap(({ not_after }) => not_after ?? []));
  }

  #opens(kid: string): boolean {
    const word = this.#words.get(kid);
    if (word?.state !== "active" && word?.state !== "decrypt-only") return false;
    return word.not_after === null || this.#options.now() < word.not_after;
  }

  #pairs(): Omit<WantedKey, "kid">[] {
    const { providers, intents } = this.#options;
    return providers.flatMap((provider) => intents.map((intent) => ({ provider, intent })));
  }
}

/** Names hold no space, so no two triples share an id. */
function keyId(kid: string, provider: string, intent: string): string {
  return `${kid} ${provider} ${intent}`;
}

function pairId(provider: string, intent: string): string {
  return `${provider} ${intent}`;
}
