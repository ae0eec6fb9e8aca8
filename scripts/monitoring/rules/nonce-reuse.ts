import { promDuration } from "../prom-duration.ts";
import type { Thresholds } from "../thresholds.ts";
import { type AlertRule, alertRule, lines } from "./rule.ts";

const COUNT = "scbe_nonce_reuse_count";

/**
 * One reuse is enough, and none may be missed, so there are three ways to see it: the count is above what it was, also
 * before a gap in the data; it went up, also across a restart; or a young process has brought it along.
 */
export function nonceReuse({ durations }: Thresholds): AlertRule {
  const window = promDuration(durations.reuseWindowMs);
  const gap = promDuration(durations.reuseGapMs);
  const youngS = durations.reuseYoungMs / 1000;
  return alertRule({
    alert: "SCBENonceReuse",
    expr: lines(
      `sum by (provider) (${COUNT} - min_over_time(${COUNT}[${gap}])) > 0`,
      "or",
      `sum by (provider) (increase(${COUNT}[${window}])) > 0`,
      "or",
      "sum by (provider) (",
      `  (${COUNT} > 0 unless ${COUNT} offset ${window})`,
      // Not over an old count, when the data comes back after a gap.
      `  and on (job, instance) (time() - process_start_time_seconds < ${youngS})`,
      ") > 0",
    ),
    forMs: 0,
    class: "safety",
    severity: "critical",
    summary: "SCBE nonce reuse detected - IMMEDIATE ROLLBACK REQUIRED",
    description: 'Nonce reuse count: {{ $value | printf "%.0f" }}, provider {{ $labels.provider }}',
    runbook:
      "The security stream holds the two envelopes' session and counter: whose session is it, and was its process copied, restored or restarted from a snapshot? Revoke its key.",
  });
}
