import type { OutcomeReportResult } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, watchGauge } from "@scbe/runtime";

/** What is shown of the events on their way to the trust stream; disposing ends the gauge. */
export interface OutcomeMetrics extends Disposable {
  reported(result: OutcomeReportResult, count: number): void;
}

/** @param waiting how many there are now */
export function outcomeMetrics(metrics: MetricsRegistry, waiting: () => number): OutcomeMetrics {
  const reports = counter(metrics, "scbe_outcome_reports_total");
  const watching = watchGauge(metrics, "scbe_outcome_reports_waiting", () => [[{}, waiting()]]);
  return {
    reported: (result, count) => reports.inc({ result }, count),
    [Symbol.dispose]: () => watching[Symbol.dispose](),
  };
}
