import type { AuditResult } from "@scbe/contracts";
import { counter, type Registry } from "@scbe/service-kit";

/** What the audit counts. */
export interface AuditMetrics {
  audited(result: AuditResult): void;
}

export function auditMetrics(registry: Registry): AuditMetrics {
  const entries = counter(registry, "scbe_audit_entries_total");
  return { audited: (result) => entries.inc({ result }) };
}
