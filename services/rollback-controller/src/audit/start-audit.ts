import type { StoreHost } from "@scbe/bus";
import { watchGauge } from "@scbe/runtime";
import type { ChainEnd } from "../domain/audit-chain.ts";
import { auditStream } from "../edge/audit-stream.ts";
import type { Audit } from "../ports.ts";
import { AuditLog } from "./audit-log.ts";
import { auditMetrics } from "./audit-metrics.ts";

/** The audit in its stream, and what it shows. Disposing stores what is waiting, as far as the stream takes it in a few seconds. */
export function startAudit(
  host: Pick<StoreHost, "store" | "clock" | "log" | "metrics" | "readiness">,
): Audit & AsyncDisposable & { readonly end: ChainEnd | undefined } {
  const { store, clock, log, metrics, readiness } = host;
  const audit = new AuditLog({
    stream: auditStream(store),
    clock,
    log,
    metrics: auditMetrics(metrics),
    readiness,
  });
  const shown = watchGauge(metrics, "scbe_audit_waiting", () => [[{}, audit.waiting]]);
  return {
    get end() {
      return audit.end;
    },
    append: (record) => audit.append(record),
    read: (options) => audit.read(options),
    [Symbol.asyncDispose]: async () => {
      await audit[Symbol.asyncDispose]();
      shown[Symbol.dispose]();
    },
  };
}
