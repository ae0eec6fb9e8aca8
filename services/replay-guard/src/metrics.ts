import {
  ADMIT_VERDICTS,
  type AdmitVerdict,
  type EpochEnd,
  type ReportResult,
  type StoreCall,
} from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, gauge, histogram } from "@scbe/runtime";

/** What the replay guard counts. Every label is of a closed set, and every series is there from the start. */
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
