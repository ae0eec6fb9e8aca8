import type { AuditResult } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter } from "@scbe/runtime";

/** What the audit counts. */
export interface AuditMetrics {
  audited(result: AuditResult): void;
}

export function auditMetrics(registry: MetricsRegistry): AuditMetrics {
  const entries = counter(registry, "scbe_audit_entries_total");
  return { audited: (result) => entries.inc({ result }) };
}
