import type { Actor, Audit } from "../ports.ts";
import { type Canaries, type Canary, putCanary, shareOf } from "./record.ts";

/** The store of the canaries. */
export interface CanaryStore {
  /** @throws ScbeError INTERNAL when the stored value is unreadable; what the bus throws */
  read(): Promise<StoredCanaries>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when another controller wrote first. */
  write(canaries: Canaries, revision: number | undefined): Promise<StoredCanaries | undefined>;
}

export interface StoredCanaries {
  readonly canaries: Canaries;
  readonly revision: number | undefined;
}

/** A read of the store that can be written back until another controller writes. After that its holder must stop and read again. */
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

  /** False when another controller wrote first. */
  async put(canary: Canary): Promise<boolean> {
    const { canaries, revision } = this.#stored;
    const written = await this.#store.write(putCanary(canaries, canary), revision);
    if (written === undefined) return false;
    this.#stored = written;
    return true;
  }
}

export interface CanaryChange extends Actor {
  readonly before: Canary | undefined;
  readonly after: Canary;
  /** ms since the Unix epoch */
  readonly at: number;
}

/** Audits the change of a canary. The control plane audits the change of the share. */
export function auditCanary(
  audit: Pick<Audit, "append">,
  { before, after, at, by, reason }: CanaryChange,
): void {
  audit.append({
    ...{ at, by, reason, action: "canary" },
    ...(before !== undefined && { before: summaryOf(before) }),
    after: summaryOf(after),
  });
}

function summaryOf(canary: Canary) {
  const { provider, state, step, steps, hold_ms, override, intent } = canary;
  return {
    provider,
    state,
    step,
    share: shareOf(canary),
    steps,
    hold_ms,
    override: override?.step === step,
    ...(intent !== null && { to: intent.share }),
  };
}
