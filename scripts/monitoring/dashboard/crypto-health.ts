import { promDuration } from "../prom-duration.ts";
import type { Thresholds } from "../thresholds.ts";
import { CHOSEN, chosenRate, type DashboardRow, type Panel } from "./panel.ts";

/** Values that must be 0, and their causes. */
export function cryptoHealth(thresholds: Thresholds): DashboardRow {
  return { title: "Crypto health", panels: [share(thresholds), ...COUNTS] };
}

function share({ limits, durations }: Thresholds): Panel {
  const window = promDuration(durations.gcmWindowMs);
  const rate = (metric: string) => chosenRate(metric, "provider", window);
  return {
    title: "GCM failures, share of the tags checked",
    says: "The measurement of SCBEGCMFailureRate: above the red line for five minutes rolls back, above the yellow one holds a canary. No line: no traffic. Check the kill switch, then deployments and key rotations.",
    unit: "percentunit",
    queries: [
      {
        expr: `${rate("scbe_gcm_failures_total")} / ${rate("scbe_gcm_attempts_total")}`,
        legend: "{{provider}}",
      },
    ],
    limits: { yellow: limits.canaryGcmFailureShareMax, red: limits.gcmFailureShareMax },
  };
}

const COUNTS: readonly Panel[] = [
  {
    title: "GCM failures a second",
    says: "Should be 0. One instance: the keys of that process. All: the keys of all.",
    unit: "ops",
    queries: [{ expr: "rate(scbe_gcm_failures_total[5m])", legend: "{{job}} {{instance}} {{provider}}" }],
  },
  {
    title: "Nonce reuse",
    says: "Must be 0. One is enough to roll back: assume that a session key is in two places, and revoke its key.",
    unit: "short",
    queries: [{ expr: "increase(scbe_nonce_reuse_count[5m])", legend: "{{instance}} {{provider}}" }],
    limits: { red: 0.5 },
  },
  {
    title: "Replay rejects a second",
    says: "Envelopes that came again. A few are redeliveries of the bus; many are an attacker's replays. None was opened.",
    unit: "ops",
    queries: [{ expr: "rate(scbe_replay_rejects_count[5m])", legend: "{{instance}} {{provider}}" }],
  },
  {
    title: "Openings by result",
    says: "The reason of a refusal, which the caller never sees. time: clocks. unknown_key: the keyring. not_admitted: the replay guards. tag, commitment: wrong keys or forgeries.",
    unit: "ops",
    queries: [
      {
        expr: chosenRate("scbe_envelope_openings_total", "phase, result", "5m"),
        legend: "{{phase}} {{result}}",
      },
    ],
  },
  {
    title: "Reports of nonce reuse",
    says: "Results of reports to the security stream. failed reports are retried; a dropped one is lost: read the guard's log.",
    unit: "short",
    queries: [{ expr: "sum by (result) (scbe_replay_reuse_reports_total)", legend: "{{result}}" }],
  },
  {
    title: "Failed opens under one key",
    says: "The highest number of tags that did not verify under one held key. A rising number is a guessing attack: rotate the key.",
    unit: "short",
    queries: [
      {
        expr: `max by (phase, provider) (scbe_envelope_failed_opens{${CHOSEN}})`,
        legend: "{{phase}} {{provider}}",
      },
    ],
  },
];
