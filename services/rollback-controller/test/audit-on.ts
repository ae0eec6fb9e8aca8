import type { StoreBus } from "@scbe/bus";
import { createReadiness, systemClock } from "@scbe/runtime";
import { collectLogs } from "@scbe/testkit";
import { Registry } from "prom-client";
import { AuditLog, auditMetrics } from "../src/audit/log.ts";
import { auditStream } from "../src/audit/stream.ts";
import type { AuditRecord } from "../src/ports.ts";

export const recordOf = (n: number, by = "admin"): AuditRecord => ({
  at: n,
  action: "flags",
  by,
  reason: `change ${n}`,
});

/** An audit on a bus, with its metrics and readiness. */
export function auditOn(store: StoreBus) {
  const registry = new Registry();
  const logs = collectLogs();
  const readiness = createReadiness();
  const audit = new AuditLog({
    stream: auditStream(store),
    clock: systemClock,
    log: logs.log,
    metrics: auditMetrics(registry),
    readiness,
  });
  const count = async (result: string): Promise<number> => {
    const rows = (await registry.getSingleMetric("scbe_audit_entries_total")?.get())?.values ?? [];
    return rows.find(({ labels }) => labels.result === result)?.value ?? 0;
  };
  return { audit, logs, readiness, count };
}
