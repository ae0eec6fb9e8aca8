import { ENVELOPE, GATEWAY, ORCHESTRATOR } from "./client.ts";
import { COMMON } from "./common.ts";
import { KEYRING } from "./keyring.ts";
import type { MetricRow, ProcessKind } from "./metric-row.ts";
import { REPLAY_GUARD } from "./replay-guard.ts";
import { CANARY, CONTROLLER, ROLLBACK } from "./rollback-controller.ts";
import { TRUST } from "./trust-scorer.ts";
import { VERIFIER } from "./verifier.ts";

/**
 * Every metric of SCBE by name. Processes can have no others; docs/metrics.md is made from this table. Names are
 * API: dashboards, alerts and runbooks use them. The three that end in `_count` are counters.
 */
export const METRICS = {
  ...COMMON,
  ...VERIFIER,
  ...ORCHESTRATOR,
  ...GATEWAY,
  ...ENVELOPE,
  ...REPLAY_GUARD,
  ...KEYRING,
  ...CONTROLLER,
  ...ROLLBACK,
  ...CANARY,
  ...TRUST,
} as const;

export type MetricName = keyof typeof METRICS;

/** The metrics that a process of that kind has, in the table's order. */
export function metricsOf(kind: ProcessKind): MetricName[] {
  const names = Object.keys(METRICS) as MetricName[];
  return names.filter((name) => (METRICS[name] as MetricRow).of.includes(kind));
}
