import { CANARY } from "./canary.ts";
import { COMMON } from "./common.ts";
import { CONTROLLER } from "./controller.ts";
import { ENVELOPE } from "./envelope.ts";
import { GATEWAY } from "./gateway.ts";
import { KEYRING } from "./keyring.ts";
import type { MetricRow, ProcessKind } from "./metric-row.ts";
import { ORCHESTRATOR } from "./orchestrator.ts";
import { REPLAY_GUARD } from "./replay-guard.ts";
import { ROLLBACK } from "./rollback.ts";
import { TRUST } from "./trust.ts";
import { VERIFIER } from "./verifier.ts";

/**
 * Every metric of SCBE by its name. Processes can make no other ones; docs/metrics.md is made from this table. Names are
 * API: dashboards, alerts and runbooks have them. The three that end in `_count` are counters.
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
