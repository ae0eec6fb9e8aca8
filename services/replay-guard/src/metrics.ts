import {
  ADMIT_VERDICTS,
  type AdmitVerdict,
  type EpochEnd,
  type ReportResult,
  type StoreCall,
} from "@scbe/contracts";
import { type Clock, counter, gauge, histogram, type MetricsRegistry, watchGauge } from "@scbe/runtime";
import { eachMinute, minutesHeld, type Times } from "./domain/times.ts";
import type { EpochKeeper } from "./epoch-keeper.ts";
import type { Occupancy, ReplayStore } from "./ports.ts";

/** The replay guard's metrics. Every label has a closed set of values, and every series exists from the start. */
export interface ReplayMetrics {
  admitted(provider: string, verdicts: readonly AdmitVerdict[]): void;
  started(why: EpochEnd): void;
  generation(generation: number): void;
  reported(result: ReportResult): void;
  timed(call: StoreCall, seconds: number): void;
  overQuota(provider: string, count: number): void;
}

export function replayMetrics(registry: MetricsRegistry, providers: readonly string[]): ReplayMetrics {
  const reuses = counter(registry, "scbe_nonce_reuse_count", { provider: providers });
  const replays = counter(registry, "scbe_replay_rejects_count", { provider: providers });
  const admits = counter(registry, "scbe_replay_admits_total");
  const epochs = counter(registry, "scbe_replay_epochs_started_total");
  const reports = counter(registry, "scbe_replay_reuse_reports_total");
  const generation = gauge(registry, "scbe_replay_epoch_generation");
  const overQuota = counter(registry, "scbe_replay_quota_refusals_total", { provider: providers });
  const calls = histogram(registry, "scbe_replay_store_seconds");
  return {
    admitted: (provider, verdicts) => {
      for (const verdict of ADMIT_VERDICTS) {
        const count = verdicts.filter((it) => it === verdict).length;
        if (count === 0) continue;
        admits.inc({ verdict }, count);
        if (verdict === "replay") replays.inc({ provider }, count);
        if (verdict === "reuse") reuses.inc({ provider }, count);
      }
    },
    started: (why) => epochs.inc({ why }),
    generation: (value) => generation.set({}, value),
    reported: (result) => reports.inc({ result }),
    overQuota: (provider, count) => overQuota.inc({ provider }, count),
    timed: (call, seconds) => calls.observe({ call }, seconds),
  };
}

export interface OccupancyOptions {
  readonly metrics: MetricsRegistry;
  readonly keeper: Pick<EpochKeeper, "inForce">;
  readonly store: Pick<ReplayStore, "measure">;
  readonly times: Times;
  readonly providers: readonly string[];
  /** Of each provider. */
  readonly quota: number;
  readonly clock: Pick<Clock, "now">;
}

/** Gauges of how full the store is, by one measurement for each scrape. Without the store or an epoch they have no values. */
export function watchOccupancy(options: OccupancyOptions): Disposable {
  const { metrics, providers, quota } = options;
  const stack = new DisposableStack();
  let measuring: Promise<Occupancy | undefined> | undefined;
  // A scrape reads all gauges at once, so they share the measurement.
  const measured = async <Row>(rows: (occupancy: Occupancy) => Row[]): Promise<Row[]> => {
    measuring ??= measure(options).finally(() => {
      measuring = undefined;
    });
    const occupancy = await measuring;
    return occupancy === undefined ? [] : rows(occupancy);
  };
  const usedBytes = () => measured((it) => [[{}, it.usedBytes] as const]);
  const maxBytes = () => measured((it) => [[{}, it.maxBytes] as const]);
  const entries = () =>
    measured((it) => providers.map((provider) => [{ provider }, it.entries.get(provider) ?? 0] as const));
  stack.use(watchGauge(metrics, "scbe_replay_store_used_bytes", usedBytes));
  stack.use(watchGauge(metrics, "scbe_replay_store_max_bytes", maxBytes));
  stack.use(watchGauge(metrics, "scbe_replay_store_entries", entries));
  gauge(metrics, "scbe_replay_provider_quota").set({}, quota);
  return stack;
}

async function measure({ keeper, store, times, clock }: OccupancyOptions): Promise<Occupancy | undefined> {
  const record = keeper.inForce?.record;
  if (record === undefined) return undefined;
  return store.measure(record.epoch, eachMinute(minutesHeld(record, clock.now(), times)));
}

/** A store whose calls are timed, the failed ones too. */
export function timedStore(store: ReplayStore, clock: Clock, metrics: ReplayMetrics): ReplayStore {
  const timed = async <T>(call: StoreCall, work: Promise<T>): Promise<T> => {
    const startedAt = clock.monotonic();
    try {
      return await work;
    } finally {
      metrics.timed(call, (clock.monotonic() - startedAt) / 1000);
    }
  };
  return {
    note: store.note,
    admit: (request) => timed("admit", store.admit(request)),
    make: (buckets, id) => timed("make", store.make(buckets, id)),
    look: (epoch, minutes) => timed("look", store.look(epoch, minutes)),
    measure: (epoch, minutes) => timed("measure", store.measure(epoch, minutes)),
    onChange: (listener) => store.onChange(listener),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
