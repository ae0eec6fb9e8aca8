import type { AlertResult, RollbackPath } from "@scbe/contracts";
import { counter, histogram, type Registry } from "@scbe/service-kit";

/** What is counted of alerts, and of the direct path. */
export interface RollbackMetrics {
  alert(result: AlertResult): void;
  refused(status: 400 | 503): void;
  /** @param ms from the event's arrival to the kill that was sent */
  event(ms: number): void;
  compared(path: RollbackPath, agreed: boolean): void;
}

export function rollbackMetrics(registry: Registry): RollbackMetrics {
  const alerts = counter(registry, "scbe_rollback_alerts_total");
  const refused = counter(registry, "scbe_rollback_webhooks_refused_total");
  const events = histogram(registry, "scbe_rollback_event_ms");
  const paths = counter(registry, "scbe_rollback_paths_total");
  return {
    alert: (result) => alerts.inc({ result }),
    refused: (status) => refused.inc({ status: `${status}` }),
    event: (ms) => events.observe({}, ms),
    compared: (path, agreed) => paths.inc({ path, agreed: agreed ? "yes" : "no" }),
  };
}
