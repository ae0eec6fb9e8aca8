import type { PrometheusServer, Sample } from "@scbe/testkit";
import { promDuration } from "#monitoring/prom-duration.ts";
import type { Durations } from "#monitoring/thresholds.ts";

/** The name and the provider of each, without those that come again. */
export function subjectsOf(all: readonly Pick<Sample, "labels">[]): string[] {
  return [...new Set(all.map(({ labels: { alertname, provider } }) => `${alertname} ${provider}`))].sort();
}

/** The safety alerts that have been in that state for any of the providers. */
export async function safetyAlerts(
  prometheus: PrometheusServer,
  state: "pending" | "firing",
  providers: readonly string[] = [".*"],
): Promise<string[]> {
  const meant = `alertstate="${state}",class="safety",provider=~"${providers.join("|")}"`;
  return subjectsOf(await prometheus.query(`last_over_time(ALERTS{${meant}}[10m])`));
}

type RunbookExpression = (range: string) => string;

/** The runbook's expressions, each instance for itself. */
const GCM_FAILURES: RunbookExpression = (range) => `rate(scbe_gcm_failures_total${range})`;
const SKEW_P99: RunbookExpression = (range) =>
  `histogram_quantile(0.99, rate(scbe_phase_skew_ms_bucket${range}))`;
const VERIFY_P99: RunbookExpression = (range) =>
  `histogram_quantile(0.99, rate(scbe_envelope_verify_ms_bucket${range}))`;

/** What has to have happened where no alert may have fired, as expressions that are empty where it has not. */
export function seenOfQuietOnes({
  gcmWindowMs,
  skewWindowMs,
  verifyWindowMs,
  evaluationIntervalMs,
}: Durations): readonly (readonly [what: string, expression: string])[] {
  /** The highest that it was. */
  const worst = (expression: RunbookExpression, provider: string, windowMs: number): string =>
    `max_over_time((${expression(rangeOf(provider, windowMs))})[5m:${promDuration(evaluationIntervalMs)}])`;
  const never = VERIFY_P99(rangeOf("quiet", verifyWindowMs));
  return [
    ["one failure was counted", `${worst(GCM_FAILURES, "single", gcmWindowMs)} > 0.005`],
    [
      "an instance with hardly any traffic had a wrong clock",
      `${worst(SKEW_P99, "idle", skewWindowMs)} > 2000`,
    ],
    ["a provider that nobody asked has NaN for a quantile", `(${never}) != (${never})`],
  ];
}

function rangeOf(provider: string, windowMs: number): string {
  return `{provider="${provider}"}[${promDuration(windowMs)}]`;
}
