/** The values of an expression, one for each series. @throws Error with Prometheus's own words */
export async function askPrometheus(url: string, expression: string): Promise<number[]> {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expression })}`);
  const { data, error } = (await response.json()) as {
    data?: { result: readonly { value: [number, string] }[] };
    error?: string;
  };
  if (data === undefined) throw new Error(`${error}: ${expression}`);
  return data.result.map(({ value: [, text] }) => Number(text));
}

/** Every expression of the runbook's dashboard and alerts, as it stands there, but for trust, which nobody measures yet. */
export const RUNBOOK_QUERIES: readonly string[] = [
  "histogram_quantile(0.95, rate(scbe_envelope_create_ms_bucket[5m]))",
  "histogram_quantile(0.99, rate(scbe_envelope_create_ms_bucket[5m]))",
  "histogram_quantile(0.95, rate(scbe_envelope_verify_ms_bucket[5m]))",
  "histogram_quantile(0.99, rate(scbe_envelope_verify_ms_bucket[5m]))",
  "rate(scbe_gcm_failures_total[5m])",
  "increase(scbe_nonce_reuse_count[5m])",
  "rate(scbe_replay_rejects_count[5m])",
  "histogram_quantile(0.99, rate(scbe_phase_skew_ms_bucket[10m]))",
  "rate(scbe_fail_to_noise_count[5m])",
];
