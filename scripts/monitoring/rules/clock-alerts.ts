import { promDuration } from "../prom-duration.ts";
import type { Thresholds } from "../thresholds.ts";
import { type AlertInput, type AlertRule, alertRule, lines } from "./rule.ts";

/** Whose clock is off: an instance's own, or that of a provider's end. */
export function clockAlerts(thresholds: Thresholds): readonly AlertRule[] {
  return [clockOffset(thresholds), providerSkew(thresholds)];
}

function clockOffset({ limits, durations }: Thresholds): AlertRule {
  const max = limits.clockOffsetMaxMs;
  return operations({
    alert: "SCBEClockOffset",
    expr: `scbe_clock_offset_ms > ${max} or scbe_clock_offset_ms < -${max}`,
    forMs: durations.clockOffsetForMs,
    severity: "warning",
    summary: "A clock is off",
    description:
      'The clock of {{ $labels.job }} at {{ $labels.instance }} is {{ $value | printf "%+.0f" }}ms off the keyring\'s',
    runbook:
      "Check NTP there. If every instance shows the same offset, it is the keyring's clock that is off.",
  });
}

/**
 * Responses alone, since they have the time of the provider's end. Whose own clock is off has no say, nor one at which every provider
 * is off: then it is the one that measures.
 */
function providerSkew({ limits, durations }: Thresholds): AlertRule {
  const { skewP99MaxMs, skewSamplesMin, clockOffsetMaxMs } = limits;
  const window = promDuration(durations.skewWindowMs);
  const by = "job, instance, provider";
  const p99 = `histogram_quantile(0.99, sum by (le, ${by}) (rate(scbe_phase_skew_ms_bucket{phase="response"}[${window}])))`;
  const counted = `sum by (${by}) (increase(scbe_phase_skew_ms_count{phase="response"}[${window}])) >= ${skewSamplesMin}`;
  return operations({
    alert: "SCBEProviderSkew",
    expr: lines(
      "max by (provider) (",
      `  (${p99} > ${skewP99MaxMs} and ${counted})`,
      `  and on (job, instance) abs(scbe_clock_offset_ms) <= ${clockOffsetMaxMs}`,
      `  and on (job, instance) (${p99} <= ${skewP99MaxMs} and ${counted})`,
      ")",
    ),
    forMs: durations.skewForMs,
    severity: "warning",
    summary: "The clock of a provider's end is off",
    description:
      'The responses of {{ $labels.provider }} alone are {{ $value | printf "%.0f" }}ms off (p99), at instances whose own clock is right',
    runbook:
      "SCBEClockOffset names its gateway where that is scraped: look at NTP there. If not, its responses take that long on their way: scbe_nats_rtt_ms and the event loop of its gateway.",
  });
}

function operations(input: Omit<AlertInput, "class">): AlertRule {
  return alertRule({ ...input, class: "operations" });
}
