import type { Thresholds } from "../thresholds.ts";
import { gcmFailureRate } from "./gcm-failure-rate.ts";
import { nonceReuse } from "./nonce-reuse.ts";
import { type AlertInput, type AlertRule, alertRule, lines, type RuleGroup } from "./rule.ts";
import { quantile, samples } from "./slis.ts";
import { ofTheLeader } from "./trust-alerts.ts";

/** The runbook's five alerts, under its names. All of them are safety alerts: they go to the rollback controller. */
export function criticalAlerts(thresholds: Thresholds): RuleGroup {
  return {
    name: "scbe_critical_alerts",
    rules: [
      ...gcmFailureRate(thresholds),
      nonceReuse(thresholds),
      highLatency(thresholds),
      phaseSkew(thresholds),
      trustDegraded(thresholds),
    ],
  };
}

function highLatency({ limits, durations }: Thresholds): AlertRule {
  const { verifyWindowMs: windowMs } = durations;
  return safety({
    alert: "SCBEHighLatency",
    expr: lines(
      `${quantile(0.99, "scbe_envelope_verify_ms", windowMs)} > ${limits.verifyP99MaxMs}`,
      "and",
      `${samples("scbe_envelope_verify_ms", windowMs)} >= ${limits.verifySamplesMin}`,
    ),
    forMs: durations.verifyForMs,
    severity: "warning",
    summary: "SCBE envelope verification latency high",
    description: 'P99 latency: {{ $value | printf "%.1f" }}ms, provider {{ $labels.provider }}',
    runbook:
      "Verification waits for nobody: nodejs_eventloop_lag_p99_seconds tells which opener has no CPU left. Is it all of them since a deployment, or since larger bodies?",
  });
}

function phaseSkew({ limits, durations }: Thresholds): AlertRule {
  const { skewWindowMs: windowMs } = durations;
  return safety({
    alert: "SCBEPhaseSkew",
    expr: lines(
      `${quantile(0.99, "scbe_phase_skew_ms", windowMs)} > ${limits.skewP99MaxMs}`,
      "and",
      `${samples("scbe_phase_skew_ms", windowMs)} >= ${limits.skewSamplesMin}`,
    ),
    forMs: durations.skewForMs,
    severity: "warning",
    summary: "SCBE phase skew indicates clock drift",
    description: 'P99 phase skew: {{ $value | printf "%.0f" }}ms, provider {{ $labels.provider }}',
    runbook:
      "scbe_clock_offset_ms names the instance whose clock is off, and its sign; look at its NTP. All near 0: SCBEProviderSkew tells a provider that alone is off; look at the way between the two ends.",
  });
}

function trustDegraded({ limits, durations }: Thresholds): AlertRule {
  return safety({
    alert: "SCBETrustDegraded",
    expr: `(${ofTheLeader("min", "scbe_trust_score_avg", durations)}) < ${limits.trustAverageMin}`,
    forMs: durations.trustForMs,
    severity: "critical",
    summary: "SCBE swarm trust degraded",
    description: 'Average trust score: {{ $value | printf "%.2f" }}',
    runbook: "scbe_trust_score names the providers; isolate them before anything else.",
  });
}

function safety(input: Omit<AlertInput, "class">): AlertRule {
  return alertRule({ ...input, class: "safety" });
}
