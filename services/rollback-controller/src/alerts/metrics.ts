import { ALERT_RESULTS, type AlertResult, type RollbackPath, WEBHOOK_REFUSALS } from "@scbe/contracts";
import { counter, histogram, type MetricsRegistry } from "@scbe/runtime";

/** The metrics of alerts and of the direct path. */
export interface RollbackMetrics {
  alerts(counts: Readonly<Partial<Record<AlertResult, number>>>): void;
  /** @param status 400 or above */
  refused(status: number): void;
  /** @param ms from the event's arrival until its kill was sent */
  event(ms: number): void;
  compared(path: RollbackPath, agreed: boolean): void;
}

export function rollbackMetrics(registry: MetricsRegistry): RollbackMetrics {
  const alerts = counter(registry, "scbe_rollback_alerts_total");
  const refused = counter(registry, "scbe_rollback_webhooks_refused_total");
  const events = histogram(registry, "scbe_rollback_event_ms");
  const paths = counter(registry, "scbe_rollback_paths_total");
  return {
    alerts: (counts) => {
      for (const result of ALERT_RESULTS) alerts.inc({ result }, counts[result] ?? 0);
    },
    refused: (number) =>
      refused.inc({ status: WEBHOOK_REFUSALS.find((status) => status === `${number}`) ?? "other" }),
    event: (ms) => events.observe({}, ms),
    compared: (path, agreed) => paths.inc({ path, agreed: agreed ? "yes" : "no" }),
  };
}
