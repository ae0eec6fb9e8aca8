import type { ControlState } from "@scbe/contracts";
import { type Engaging, engageKill } from "./domain/engage-kill.ts";

/** Kills that were ordered here, and that no stored document had yet: at most one of everything, and one of each provider. */
export class PendingKills {
  readonly #kills = new Map<string, Engaging>();

  get size(): number {
    return this.#kills.size;
  }

  list(): readonly Engaging[] {
    return [...this.#kills.values()];
  }

  /** A kill for availability does not take the place of one for integrity. */
  add(engaging: Engaging): void {
    const key = engaging.provider ?? EVERYTHING;
    const known = this.#kills.get(key);
    if (known?.kill.cause !== "integrity") this.#kills.set(key, engaging);
  }

  /** Forgets those very ones: what was stored has them in it, or took them back. */
  settled(kills: readonly Engaging[]): void {
    for (const [key, kill] of this.#kills) if (kills.includes(kill)) this.#kills.delete(key);
  }

  /** Forgets those that a stored state has in it. */
  settledBy(state: ControlState): void {
    this.settled(this.list().filter((kill) => engageKill(state, kill) === state));
  }
}

/** No provider's name. */
const EVERYTHING = "*";
