import type { Canaries, Canary } from "../domain/canary/canary-record.ts";
import { putCanary } from "../domain/canary/put-canary.ts";

/** Where the canaries are kept. */
export interface CanaryStore {
  /** @throws ScbeError INTERNAL when what is stored is none; what the bus throws */
  read(): Promise<StoredCanaries>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when somebody else wrote first. */
  write(canaries: Canaries, revision: number | undefined): Promise<StoredCanaries | undefined>;
}

export interface StoredCanaries {
  readonly canaries: Canaries;
  readonly revision: number | undefined;
}

/**
 * What was read, to be written over by whoever has read it, as long as nobody else does: then nothing of it is true any more, and its
 * holder has to stop.
 */
export class CanaryPage {
  readonly #store: CanaryStore;
  #stored: StoredCanaries;

  private constructor(store: CanaryStore, stored: StoredCanaries) {
    this.#store = store;
    this.#stored = stored;
  }

  static async read(store: CanaryStore): Promise<CanaryPage> {
    return new CanaryPage(store, await store.read());
  }

  get canaries(): readonly Canary[] {
    return Object.values(this.#stored.canaries.canaries);
  }

  get(provider: string): Canary | undefined {
    const { canaries } = this.#stored.canaries;
    return Object.hasOwn(canaries, provider) ? canaries[provider] : undefined;
  }

  /** True when it was written; false when somebody else wrote first. */
  async put(canary: Canary): Promise<boolean> {
    const { canaries, revision } = this.#stored;
    const written = await this.#store.write(putCanary(canaries, canary), revision);
    if (written === undefined) return false;
    this.#stored = written;
    return true;
  }
}
