import { EPOCH_ENDS } from "../epoch.ts";
import { ADMIT_VERDICTS } from "../replay.ts";
import { STORE_SECONDS } from "./bounds.ts";
import { REPORT_RESULTS, STORE_CALLS } from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

const OF = ["replay-guard"] as const;

/** What a replay guard shows. */
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
    help: "Envelopes that had been admitted before",
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
    help: "Replay epochs that this guard has started, by why the one before ended",
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
    help: "Reports of nonce reuse to the security stream, by result; failed ones are tried again",
    unit: "count",
    labels: { result: REPORT_RESULTS },
  },
  scbe_replay_store_seconds: {
    kind: "histogram",
    of: OF,
    help: "Time of a call to the replay store, failed ones included",
    unit: "s",
    labels: { call: STORE_CALLS },
    bounds: STORE_SECONDS,
  },
  scbe_replay_store_entries: {
    kind: "gauge",
    of: OF,
    help: "Envelopes remembered for the epoch in force; absent while there is none, or the store is away",
    unit: "count",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_replay_provider_quota: {
    kind: "gauge",
    of: OF,
    help: "Envelopes that are remembered of one provider at most; further ones of that provider are refused",
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
    help: "Memory that Redis uses, for whatever it keeps; in memory: what the entries take. Absent as the entries are",
    unit: "bytes",
    labels: {},
    from: "known",
  },
  scbe_replay_store_max_bytes: {
    kind: "gauge",
    of: OF,
    help: "Memory from which on the store takes nothing more; 0: no limit is set. Absent as the entries are",
    unit: "bytes",
    labels: {},
    from: "known",
  },
} as const satisfies MetricRows;
