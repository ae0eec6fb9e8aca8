import { type AdmitItem, type AdmitVerdict, ScbeError } from "@scbe/contracts";
import type { ReconcileLoop } from "@scbe/runtime";
import { sortBatch } from "./domain/judge.ts";
import type { EpochInForce, EpochKeeper } from "./epoch-keeper.ts";
import type { ReplayMetrics } from "./metrics.ts";
import type { ReplayStore } from "./ports.ts";
import type { Quotas } from "./quotas.ts";
import type { ReuseReports } from "./reuse-reports.ts";

export interface AdmitsOptions {
  readonly keeper: EpochKeeper;
  readonly store: ReplayStore;
  readonly loop: Pick<ReconcileLoop, "next" | "recent">;
  readonly reports: ReuseReports;
  readonly quotas: Pick<Quotas, "minutesToCount" | "refused">;
  readonly metrics: ReplayMetrics;
}

/** An unknown epoch can be a new one; it causes a pass at most this often. */
const RECENT_MS = 250;

/** Decides batches of admits. */
export class Admits {
  readonly #options: AdmitsOptions;
  #inFlight = 0;

  constructor(options: AdmitsOptions) {
    this.#options = options;
  }

  /** Items that are being judged now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * The verdicts of a batch of one provider, in its order.
   * @throws ScbeError NOT_READY while no epoch is verified, or the store does not answer
   */
  async decide(items: readonly AdmitItem[], provider: string): Promise<AdmitVerdict[]> {
    const { metrics, reports } = this.#options;
    const verdicts = await this.#counted(items, provider);
    metrics.admitted(provider, verdicts);
    for (const [index, item] of items.entries()) {
      if (verdicts[index] === "reuse") reports.add(item, provider);
    }
    return verdicts;
  }

  async #counted(items: readonly AdmitItem[], provider: string): Promise<AdmitVerdict[]> {
    this.#inFlight += items.length;
    try {
      return await this.#judge(items, provider, await this.#epochFor(items));
    } finally {
      this.#inFlight -= items.length;
    }
  }

  async #judge(
    items: readonly AdmitItem[],
    provider: string,
    { record, bytes }: EpochInForce,
  ): Promise<AdmitVerdict[]> {
    const { store, loop, quotas } = this.#options;
    const { toStore, merge } = sortBatch(items, bytes);
    if (toStore.length === 0) return merge([]);
    const { epoch, store: id } = record;
    const minutes = quotas.minutesToCount(provider, record);
    const answer = await store
      .admit({ epoch, store: id, provider, minutes, items: toStore })
      .catch((error: unknown) => {
        void loop.next();
        throw error;
      });
    if (!answer.isStore) {
      void loop.next();
      return merge([]);
    }
    const { verdicts, overQuota } = answer;
    if (overQuota > 0) quotas.refused(provider, overQuota);
    // A refusal by the quota says nothing about the epoch.
    if (verdicts.filter((it) => it === "refused").length > overQuota) void loop.next();
    return merge(verdicts);
  }

  async #epochFor(items: readonly AdmitItem[]): Promise<EpochInForce> {
    const { keeper, loop } = this.#options;
    const known = keeper.inForce;
    if (known === undefined || items.some((item) => !known.bytes.equals(item.epoch))) {
      await loop.recent(RECENT_MS);
    }
    if (keeper.inForce === undefined) throw new ScbeError("NOT_READY", "no replay epoch is verified");
    return keeper.inForce;
  }
}
