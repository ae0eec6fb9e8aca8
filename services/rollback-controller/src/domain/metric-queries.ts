/** A value by provider, as PromQL. */
export interface MetricQuery {
  readonly name: string;
  readonly expr: string;
}

/** The time over which rates and quantiles are taken. */
export const METRICS_WINDOW = "5m";

/** What `GET /api/dashboards/scbe-security/metrics` shows: the runbook's signals, each over all instances. */
export const SECURITY_METRICS: readonly MetricQuery[] = [
  quantile("envelope_create_p95_ms", 0.95, "scbe_envelope_create_ms"),
  quantile("envelope_create_p99_ms", 0.99, "scbe_envelope_create_ms"),
  quantile("envelope_verify_p95_ms", 0.95, "scbe_envelope_verify_ms"),
  quantile("envelope_verify_p99_ms", 0.99, "scbe_envelope_verify_ms"),
  quantile("phase_skew_p99_ms", 0.99, "scbe_phase_skew_ms"),
  {
    name: "gcm_failure_share",
    expr: `${rate("scbe_gcm_failures_total")} / ${rate("scbe_gcm_attempts_total")}`,
  },
  increase("gcm_failures", "scbe_gcm_failures_total"),
  increase("nonce_reuse", "scbe_nonce_reuse_count"),
  increase("replay_rejects", "scbe_replay_rejects_count"),
  increase("fail_to_noise", "scbe_fail_to_noise_count"),
];

/** What `GET /api/metrics/error-rate` is computed from: requests of orchestrators that ended in the last minutes. */
export const REQUEST_METRICS = {
  requests: increaseOf("scbe_requests_total"),
  failed: increaseOf('scbe_requests_total{result!~"ok|SWITCHED_OFF"}'),
  switchedOff: increaseOf('scbe_requests_total{result="SWITCHED_OFF"}'),
} as const;

function quantile(name: string, share: number, histogram: string): MetricQuery {
  const buckets = `sum by (le, provider) (rate(${histogram}_bucket[${METRICS_WINDOW}]))`;
  return { name, expr: `histogram_quantile(${share}, ${buckets})` };
}

function increase(name: string, counter: string): MetricQuery {
  return { name, expr: increaseOf(counter) };
}

function increaseOf(counter: string): string {
  return `sum by (provider) (increase(${counter}[${METRICS_WINDOW}]))`;
}

function rate(counter: string): string {
  return `sum by (provider) (rate(${counter}[${METRICS_WINDOW}]))`;
}
