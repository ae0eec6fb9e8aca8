import { type Host, watchGauge } from "@scbe/service-kit";
import { auditStream } from "../edge/audit-stream.ts";
import type { Audit } from "../ports.ts";
import { AuditLog } from "./audit-log.ts";
import { auditMetrics } from "./audit-metrics.ts";

/** The audit over the bus, and what it shows. Disposing stores what is waiting, as far as the stream takes it in a few seconds. */
export function startAudit(
  host: Pick<Host, "bus" | "clock" | "log" | "metrics" | "readiness">,
): Audit & AsyncDisposable {
  const { bus, clock, log, metrics, readiness } = host;
  const audit = new AuditLog({
    stream: auditStream(bus),
    clock,
    log,
    metrics: auditMetrics(metrics),
    readiness,
  });
  const shown = watchGauge(metrics, "scbe_audit_waiting", () => [[{}, audit.waiting]]);
  return {
    append: (record) => audit.append(record),
    read: (options) => audit.read(options),
    [Symbol.asyncDispose]: async () => {
      await audit[Symbol.asyncDispose]();
      shown[Symbol.dispose]();
    },
  };
}
