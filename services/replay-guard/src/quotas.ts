import type { EpochRecord } from "@scbe/contracts";
import { type Clock, type Logger, LogLimiter } from "@scbe/runtime";
import { eachMinute, minutesHeld, type Times } from "./domain/times.ts";
import type { EpochKeeper } from "./epoch-keeper.ts";
import type { ReplayMetrics } from "./metrics.ts";
import type { ReplayStore } from "./ports.ts";

export interface QuotasOptions {
  readonly providers: readonly string[];
  /** Envelopes of one provider at most. */
  readonly quota: number;
  readonly store: Pick<ReplayStore, "measure">;
  readonly keeper: Pick<EpochKeeper, "inForce">;
  readonly times: Times;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<ReplayMetrics, "overQuota">;
}

const MEASURE_MS = 1000;
/** An older measurement is not used. */
const KNOWN_MS_MAX = 2500;
/** No provider adds more entries than this while a measurement is new enough. */
const GROWTH_MAX = 300_000;
/** How long a refusal is shown in readiness. */
const RECENT_MS = 30_000;

/**
 * Measures how far each provider is from its quota, so that the store does not count all minutes for every batch; and reports the providers
 * that are refused because they are at their quota.
 */
export class Quotas implements Disposable {
  readonly #options: QuotasOptions;
  readonly #logs: ReadonlyMap<string, LogLimiter>;
  readonly #refusedAt = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #measured: { readonly atMs: number; readonly entries: ReadonlyMap<string, number> } | undefined;
  #isMeasuring = false;

  constructor(options: QuotasOptions) {
    this.#options = options;
    this.#logs = new Map(options.providers.map((provider) => [provider, new LogLimiter()]));
    this.#timer = setInterval(() => void this.#measure(), MEASURE_MS).unref();
  }

  /** The minutes that the store counts for a batch of this provider: none while it is far from its quota. */
  minutesToCount(provider: string, record: EpochRecord): readonly number[] {
    return this.#isFar(provider) ? [] : this.#minutesOf(record);
  }

  refused(provider: string, count: number): void {
    const { clock, log, metrics } = this.#options;
    const nowMs = clock.monotonic();
    this.#refusedAt.set(provider, nowMs);
    metrics.overQuota(provider, count);
    this.#logs
      .get(provider)
      ?.note(nowMs, (batches) =>
        log.error({ provider, batches }, "a provider is at its replay quota: refused"),
      );
  }

  /** A note for readiness, not a failure: the other providers are served. */
  get note(): string | undefined {
    const since = this.#options.clock.monotonic() - RECENT_MS;
    const names = [...this.#refusedAt].filter(([, at]) => at >= since).map(([provider]) => provider);
    return names.length === 0 ? undefined : `at the replay quota, and refused: ${names.join(", ")}`;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #isFar(provider: string): boolean {
    const { clock, quota } = this.#options;
    const known = this.#measured;
    if (known === undefined || clock.monotonic() - known.atMs > KNOWN_MS_MAX) return false;
    return (known.entries.get(provider) ?? 0) + Math.max(quota / 2, GROWTH_MAX) < quota;
  }

  #minutesOf(record: EpochRecord): readonly number[] {
    const { clock, times } = this.#options;
    return eachMinute(minutesHeld(record, clock.now(), times));
  }

  /** If the store does not answer, nothing is known, and the store counts all minutes for every batch. */
  async #measure(): Promise<void> {
    const { store, keeper, clock } = this.#options;
    const record = keeper.inForce?.record;
    if (record === undefined || this.#isMeasuring) return;
    this.#isMeasuring = true;
    const atMs = clock.monotonic();
    try {
      const { entries } = await store.measure(record.epoch, this.#minutesOf(record));
      this.#measured = { atMs, entries };
    } catch {
      this.#measured = undefined;
    } finally {
      this.#isMeasuring = false;
    }
  }
}
