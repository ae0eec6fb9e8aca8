import { promDuration } from "../prom-duration.ts";
import type { Thresholds } from "../thresholds.ts";
import { type AlertInput, type AlertRule, alertRule, lines } from "./rule.ts";
import { gcmAttempts, gcmFailureShare } from "./slis.ts";

/**
 * The share of tags that fail, by provider. With traffic enough for a share it has to stay high; with less, failures have
 * to come again and again. The label `window` tells the two apart.
 */
export function gcmFailureRate(thresholds: Thresholds): readonly AlertRule[] {
  const { gcmWindowMs, gcmForMs, gcmLowTrafficWindowMs } = thresholds.durations;
  return [
    rule({ windowMs: gcmWindowMs, forMs: gcmForMs, expr: sustained(thresholds) }),
    rule({ windowMs: gcmLowTrafficWindowMs, forMs: 0, expr: recurring(thresholds) }),
  ];
}

function sustained({ limits, durations: { gcmWindowMs } }: Thresholds): string {
  return lines(
    `${gcmFailureShare(gcmWindowMs)} > ${limits.gcmFailureShareMax}`,
    "and",
    `${gcmAttempts(gcmWindowMs)} >= ${limits.gcmAttemptsMin}`,
  );
}

/** And have not ended: an old slot that is over must not switch off again what a person has released. */
function recurring({ limits, durations }: Thresholds): string {
  const {
    gcmWindowMs,
    gcmLowTrafficWindowMs: windowMs,
    gcmLowTrafficSlotMs: slotMs,
    scrapeIntervalMs,
  } = durations;
  // A count that rises between the last scrape of one slot and the first of the next is in neither: slots overlap by one.
  const slot = promDuration(slotMs + scrapeIntervalMs);
  // Both ends of a subquery count: a window that is a whole number of slots would now and then hold one more.
  const slots = `${promDuration(windowMs - 1)}:${promDuration(slotMs)}`;
  const failures = (window: string) => `sum by (provider) (increase(scbe_gcm_failures_total[${window}]))`;
  return lines(
    `${gcmFailureShare(windowMs)} > ${limits.gcmFailureShareMax}`,
    "and",
    `${failures(promDuration(windowMs))} >= ${limits.gcmLowTrafficFailuresMin}`,
    "and",
    `${failures(promDuration(gcmWindowMs))} > 0`,
    "and",
    `count_over_time((${failures(slot)} > 0)[${slots}]) >= ${limits.gcmLowTrafficSlotsMin}`,
  );
}

function rule({ windowMs, ...rest }: Pick<AlertInput, "expr" | "forMs"> & { windowMs: number }): AlertRule {
  const window = promDuration(windowMs);
  return alertRule({
    ...rest,
    alert: "SCBEGCMFailureRate",
    class: "safety",
    severity: "critical",
    labels: { window },
    summary: "SCBE GCM failure rate exceeded 0.5%",
    description: `GCM authentication failures: {{ $value | humanizePercentage }} of the tags checked in ${window}, provider {{ $labels.provider }}`,
    runbook:
      "Check the kill switch, recent deployments and key rotations. scbe_envelope_openings_total by reason and instance tells who fails: one instance, look at its keys; all, look at who else may publish.",
  });
}
