import type { MetricsRegistry } from "@scbe/runtime";
import { histogram, watchGauge } from "@scbe/runtime";
import type { VerifierScope } from "./verifier-scope.ts";

/** Shows how long verdicts take, and how many requests wait for one; disposing ends the second. */
export interface AdmissionMetrics extends Disposable {
  decided(provider: string, ms: number): void;
}

/** @param waiting how many there are now */
export function admissionMetrics(
  metrics: MetricsRegistry,
  { providers }: VerifierScope,
  waiting: () => number,
): AdmissionMetrics {
  const admitMs = histogram(metrics, "scbe_admit_ms", { provider: providers });
  const watching = watchGauge(metrics, "scbe_admits_waiting", () => [[{}, waiting()]]);
  return {
    decided: (provider, ms) => admitMs.observe({ provider }, ms),
    [Symbol.dispose]: () => watching[Symbol.dispose](),
  };
}
