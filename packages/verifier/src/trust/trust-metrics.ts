import type { TrustDocumentResult } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, watchGauge } from "@scbe/runtime";

/** Counts what arrives; disposing ends the gauge. */
export interface TrustMetrics extends Disposable {
  offered(result: TrustDocumentResult): void;
}

/** Shows how this process hears of trust. Without a registry nothing is shown. */
export function showTrust(metrics: MetricsRegistry | undefined, isHeard: () => boolean): TrustMetrics {
  if (metrics === undefined) return { offered: () => {}, [Symbol.dispose]: () => {} };
  const documents = counter(metrics, "scbe_trust_documents_total");
  const stale = watchGauge(metrics, "scbe_trust_stale", () => [[{}, Number(!isHeard())]]);
  return {
    offered: (result) => documents.inc({ result }),
    [Symbol.dispose]: () => stale[Symbol.dispose](),
  };
}
