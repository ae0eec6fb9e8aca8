import type { ControlState } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import { type Engaging, engageKill } from "./domain/engage-kill.ts";

/** A kill, and the digests of documents that have it in them: the one that was sent, and those of others that were heard. */
interface Pending {
  readonly engaging: Engaging;
  readonly digests: Set<string>;
}

/** Documents that are remembered for a kill. */
const DIGESTS_MAX = 64;

/** Kills that were ordered here, and that are not known to be stored: at most one of everything, and one of each provider. */
export class PendingKills {
  readonly #kills = new Map<string, Pending>();

  get size(): number {
    return this.#kills.size;
  }

  list(): readonly Engaging[] {
    return [...this.#kills.values()].map(({ engaging }) => engaging);
  }

  /** A kill for availability does not take the place of one for integrity. */
  add(engaging: Engaging): void {
    const key = engaging.provider ?? EVERYTHING;
    const known = this.#kills.get(key)?.engaging;
    if (known?.kill.cause !== "integrity") this.#kills.set(key, { engaging, digests: new Set() });
  }

  /**
   * Takes notice of a document that was sent or heard. One that was made on top of a stored document with a kill in it (`after_digest`) knew of that
   * kill, also where it takes it back: so the kill is stored, even if this controller cannot reach the store.
   */
  seen({ state, digest }: ControlDocument): void {
    for (const [key, { engaging, digests }] of this.#kills) {
      if (state.after_digest !== undefined && digests.has(state.after_digest)) this.#kills.delete(key);
      else if (engageKill(state, engaging) === state && digests.size < DIGESTS_MAX) digests.add(digest);
    }
  }

  /** Forgets those very ones: what was stored has them in it, or took them back. */
  settled(kills: readonly Engaging[]): void {
    for (const [key, { engaging }] of this.#kills) if (kills.includes(engaging)) this.#kills.delete(key);
  }

  /** Forgets those that a stored state has in it. */
  settledBy(state: ControlState): void {
    this.settled(this.list().filter((kill) => engageKill(state, kill) === state));
  }
}

/** No provider's name. */
const EVERYTHING = "*";
