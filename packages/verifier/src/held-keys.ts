import type { GrantMeta, KeyState, RingState } from "@scbe/contracts";
import type { OpeningKeys, SealingKeys, Subkeys } from "@scbe/envelope";

/** A key to fetch; an empty `kid` means the active one. */
export interface WantedKey {
  readonly kid: string;
  readonly provider: string;
  readonly intent: string;
}

export interface HeldKeysOptions {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  /** ms since the Unix epoch. */
  readonly now: () => number;
}

/** The state of a kid by the keyring's ring or grant of a generation. */
interface StateOfKid {
  readonly state: KeyState;
  readonly not_after: number | null;
  readonly generation: number;
}

/**
 * The subkeys that this process holds, and what each may do (docs/spec/envelope-v1.md, "States of a key"). Its input are verified rings and
 * grants; it says which keys seal, which open, and which are missing. Lookups are synchronous and never fetch.
 */
export class HeldKeys implements SealingKeys, OpeningKeys {
  readonly #options: HeldKeysOptions;
  readonly #held = new Map<string, Subkeys>();
  /** The newest state by kid. */
  readonly #states = new Map<string, StateOfKid>();
  /** The subkeys that seal, by provider and intent. */
  readonly #sealing = new Map<string, Subkeys>();
  #activeKid: string | undefined;
  /** Of the last grant that set the active kid. A ring needs none: a grant that counts is newer than it. */
  #activeGeneration = 0;
  #ring: RingState | undefined;
  /** The highest generation of a grant. */
  #granted = 0;
  /** When the first kid that opens ends, in ms since the Unix epoch: until then nothing needs wiping. */
  #nextEnd = Number.POSITIVE_INFINITY;

  constructor(options: HeldKeysOptions) {
    this.#options = options;
  }

  /** The ring that applies. */
  get ring(): RingState | undefined {
    return this.#ring;
  }

  /** The number of held keys of all states. */
  get size(): number {
    return this.#held.size;
  }

  /** The number of held keys of one provider. */
  countOf(provider: string): number {
    let count = 0;
    for (const subkeys of this.#held.values()) if (subkeys.provider === provider) count += 1;
    return count;
  }

  find(kid: string, provider: string, intent: string): Subkeys | undefined {
    this.expire();
    return this.#held.get(keyId(kid, provider, intent));
  }

  /** The active key if it is held; otherwise the one that sealed before, while it opens and the active one has not ended. */
  active(provider: string, intent: string): Subkeys | undefined {
    this.expire();
    return this.#sealing.get(pairId(provider, intent));
  }

  /** Whether a ring is newer than the one that applies, and not older than the newest grant. */
  isNews({ generation }: RingState): boolean {
    const isNewer = this.#ring === undefined || generation > this.#ring.generation;
    return isNewer && generation >= this.#granted;
  }

  /** Applies a newer ring: it sets the state of every key, and the keys that no longer open are wiped. */
  obey(ring: RingState): void {
    this.expire();
    const { generation } = ring;
    this.#ring = ring;
    this.#states.clear();
    for (const { kid, state, not_after } of ring.keys)
      this.#states.set(kid, { state, not_after, generation });
    this.#activeKid = ring.keys.find(({ state }) => state === "active")?.kid;
    this.#settle();
  }

  /** Takes the subkeys of a grant, unless they cannot open by the newest state of their kid, which may be the grant's own. */
  take(subkeys: Subkeys, meta: GrantMeta): void {
    this.expire();
    this.#learn(meta);
    const { kid, provider, intent } = subkeys;
    this.#held.set(keyId(kid, provider, intent), subkeys);
    this.#settle();
  }

  /**
   * Wipes the keys that ended: an unreachable keyring must not prolong them. A wiped key comes back only by a grant, whatever a newer ring or
   * the clock says; so every reading or change of the keys does this first.
   */
  expire(): void {
    if (this.#options.now() >= this.#nextEnd) this.#settle();
  }

  /** Drops every key. */
  clear(): void {
    this.#held.clear();
    this.#sealing.clear();
  }

  /** Every key that opens and is not held; before the first ring, the active key of each pair that cannot seal. */
  missing(): WantedKey[] {
    this.expire();
    if (this.#ring === undefined) return this.withoutSealing().map((pair) => ({ kid: "", ...pair }));
    return [...this.#states.keys()]
      .filter((kid) => this.#opens(kid))
      .flatMap((kid) => this.#pairs().map((pair) => ({ kid, ...pair })))
      .filter(({ kid, provider, intent }) => !this.#held.has(keyId(kid, provider, intent)));
  }

  /** The pairs of provider and intent without a key that seals. */
  withoutSealing(): readonly Omit<WantedKey, "kid">[] {
    return this.#pairs().filter(({ provider, intent }) => this.active(provider, intent) === undefined);
  }

  /** A ring or another grant that is at least as new as this one decides about its key. */
  #learn({ kid, state, not_after, ring_generation: generation }: GrantMeta): void {
    this.#granted = Math.max(this.#granted, generation);
    const known = this.#states.get(kid) ?? this.#ring;
    if (known !== undefined && generation <= known.generation) return;
    this.#states.set(kid, { state, not_after, generation });
    if (state !== "active" || generation <= this.#activeGeneration) return;
    this.#activeKid = kid;
    this.#activeGeneration = generation;
  }

  /** Wipes the keys that no longer open, makes the active key seal wherever it is held, and finds the next end. */
  #settle(): void {
    const opening = new Map([...this.#states].filter(([kid]) => this.#opens(kid)));
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
    const known = this.#states.get(kid);
    if (known?.state !== "active" && known?.state !== "decrypt-only") return false;
    return known.not_after === null || this.#options.now() < known.not_after;
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
