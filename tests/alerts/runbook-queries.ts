import { readFileSync } from "node:fs";
import { parse } from "yaml";

/** The runbook's "Grafana Dashboard Queries", verbatim. */
export const RUNBOOK_QUERIES: readonly string[] = [
  "histogram_quantile(0.95, rate(scbe_envelope_create_ms_bucket[5m]))",
  "histogram_quantile(0.99, rate(scbe_envelope_create_ms_bucket[5m]))",
  "histogram_quantile(0.95, rate(scbe_envelope_verify_ms_bucket[5m]))",
  "histogram_quantile(0.99, rate(scbe_envelope_verify_ms_bucket[5m]))",
  "rate(scbe_gcm_failures_total[5m])",
  "increase(scbe_nonce_reuse_count[5m])",
  "rate(scbe_replay_rejects_count[5m])",
  "histogram_quantile(0.99, rate(scbe_phase_skew_ms_bucket[10m]))",
  "scbe_trust_score_avg",
  'scbe_trust_score{provider="openai"}',
  "rate(scbe_fail_to_noise_count[5m])",
];

/** An alert of the runbook. */
export interface RunbookAlert {
  readonly alert: string;
  /** Verbatim; its result is empty while nothing is wrong. */
  readonly expr: string;
  /** The side that it compares with its limit; its result is always a number. */
  readonly compared: string;
}

/** The runbook's "Alert Rules". */
export const RUNBOOK_ALERTS: readonly RunbookAlert[] = readAlerts();

function readAlerts(): RunbookAlert[] {
  const text = readFileSync(new URL("runbook-rules.yml", import.meta.url), "utf8");
  const { groups } = parse(text) as { groups: { rules: { alert: string; expr: string }[] }[] };
  return groups
    .flatMap(({ rules }) => rules)
    .map(({ alert, expr }) => ({ alert, expr, compared: leftSide(expr) }));
}

function leftSide(comparison: string): string {
  const [left = "", right] = comparison.split(/ [<>] /);
  if (right === undefined) throw new Error(`no comparison: ${comparison}`);
  return left;
}
