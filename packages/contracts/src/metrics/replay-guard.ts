import { EPOCH_ENDS } from "../epoch.ts";
import { ADMIT_VERDICTS } from "../replay.ts";
import { REPORT_RESULTS, STORE_CALLS } from "./label-sets.ts";
import { type MetricRows, STORE_SECONDS } from "./metric-row.ts";

const OF = ["replay-guard"] as const;

/** The metrics of a replay guard. */
export const REPLAY_GUARD = {
  scbe_nonce_reuse_count: {
    kind: "counter",
    of: OF,
    help: "Different envelopes under one session and counter",
    unit: "count",
    labels: { provider: "providers" },
  },
  scbe_replay_rejects_count: {
    kind: "counter",
    of: OF,
    help: "Envelopes that were admitted before",
    unit: "count",
    labels: { provider: "providers" },
  },
  scbe_replay_admits_total: {
    kind: "counter",
    of: OF,
    help: "Items judged, by verdict",
    unit: "count",
    labels: { verdict: ADMIT_VERDICTS },
  },
  scbe_replay_items_in_flight: {
    kind: "gauge",
    of: OF,
    help: "Items that are being judged",
    unit: "count",
    labels: {},
  },
  scbe_replay_epochs_started_total: {
    kind: "counter",
    of: OF,
    help: "Replay epochs that this guard started, by the reason why the one before ended",
    unit: "count",
    labels: { why: EPOCH_ENDS },
  },
  scbe_replay_epoch_generation: {
    kind: "gauge",
    of: OF,
    help: "Generation of the epoch in force; 0 while none is verified",
    unit: "number",
    labels: {},
  },
  scbe_replay_reuse_reports_total: {
    kind: "counter",
    of: OF,
    help: "Reports of nonce reuse to the security stream, by result; failed ones are retried",
    unit: "count",
    labels: { result: REPORT_RESULTS },
  },
  scbe_replay_store_seconds: {
    kind: "histogram",
    of: OF,
    help: "Time of a call to the replay store, with failed ones",
    unit: "s",
    labels: { call: STORE_CALLS },
    bounds: STORE_SECONDS,
  },
  scbe_replay_store_entries: {
    kind: "gauge",
    of: OF,
    help: "Envelopes remembered for the epoch in force; absent without an epoch or without the store",
    unit: "count",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_replay_provider_quota: {
    kind: "gauge",
    of: OF,
    help: "The most envelopes that are remembered of one provider; further ones of that provider are refused",
    unit: "count",
    labels: {},
  },
  scbe_replay_quota_refusals_total: {
    kind: "counter",
    of: OF,
    help: "Items refused because their provider was at its quota, or the store in memory was full",
    unit: "count",
    labels: { provider: "providers" },
  },
  scbe_replay_store_used_bytes: {
    kind: "gauge",
    of: OF,
    help: "Memory that Redis uses for all its data, or that the entries of the store in memory use. Absent when the entries are",
    unit: "bytes",
    labels: {},
    from: "known",
  },
  scbe_replay_store_max_bytes: {
    kind: "gauge",
    of: OF,
    help: "Memory limit of the store; 0: no limit is set. Absent when the entries are",
    unit: "bytes",
    labels: {},
    from: "known",
  },
} as const satisfies MetricRows;
