import type { AdmitVerdict } from "@scbe/contracts";
import { Counter, Gauge, Histogram, type Registry } from "@scbe/service-kit";
import { EPOCH_ENDS, type EpochEnd } from "./domain/next-step.ts";

const VERDICTS = ["fresh", "replay", "reuse", "refused"] as const satisfies readonly AdmitVerdict[];
const REPORTS = ["acknowledged", "failed", "dropped"] as const;
const CALLS = ["admit", "look", "make"] as const;

/** What became of the report of a nonce reuse: `failed` is tried again, `dropped` is lost. */
export type ReportResult = (typeof REPORTS)[number];
export type StoreCall = (typeof CALLS)[number];

/** What the replay guard counts. Every label is of a closed set, and every series is there from the start. */
export interface ReplayMetrics {
  admitted(provider: string, verdicts: readonly AdmitVerdict[]): void;
  started(why: EpochEnd): void;
  generation(generation: number): void;
  reported(result: ReportResult): void;
  timed(call: StoreCall, seconds: number): void;
}

export function replayMetrics(registry: Registry, providers: readonly string[]): ReplayMetrics {
  const registers = [registry];
  const reuses = new Counter({
    name: "scbe_nonce_reuse_count",
    help: "Different envelopes under one session and counter, by provider",
    labelNames: ["provider"],
    registers,
  });
  const replays = new Counter({
    name: "scbe_replay_rejects_count",
    help: "Envelopes that had been admitted before, by provider",
    labelNames: ["provider"],
    registers,
  });
  const admits = new Counter({
    name: "scbe_replay_admits_total",
    help: "Items judged, by verdict",
    labelNames: ["verdict"],
    registers,
  });
  const epochs = new Counter({
    name: "scbe_replay_epochs_started_total",
    help: "Replay epochs that this guard has started, by why the one before ended",
    labelNames: ["why"],
    registers,
  });
  const reports = new Counter({
    name: "scbe_replay_reuse_reports_total",
    help: "Reports of nonce reuse to the security stream, by result; failed ones are tried again",
    labelNames: ["result"],
    registers,
  });
  const generation = new Gauge({
    name: "scbe_replay_epoch_generation",
    help: "Generation of the epoch in force; 0 while none is verified",
    registers,
  });
  const calls = new Histogram({
    name: "scbe_replay_store_seconds",
    help: "Time of a call to the replay store",
    labelNames: ["call"],
    buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.4],
    registers,
  });
  for (const provider of providers) for (const counter of [reuses, replays]) counter.inc({ provider }, 0);
  for (const verdict of VERDICTS) admits.inc({ verdict }, 0);
  for (const why of EPOCH_ENDS) epochs.inc({ why }, 0);
  for (const result of REPORTS) reports.inc({ result }, 0);
  for (const call of CALLS) calls.zero({ call });
  return {
    admitted: (provider, verdicts) => {
      for (const verdict of VERDICTS) {
        const count = verdicts.filter((it) => it === verdict).length;
        if (count === 0) continue;
        admits.inc({ verdict }, count);
        if (verdict === "replay") replays.inc({ provider }, count);
        if (verdict === "reuse") reuses.inc({ provider }, count);
      }
    },
    started: (why) => epochs.inc({ why }),
    generation: (value) => generation.set(value),
    reported: (result) => reports.inc({ result }),
    timed: (call, seconds) => calls.observe({ call }, seconds),
  };
}
