import type { MetricsRegistry } from "@scbe/runtime";
import { counter } from "@scbe/runtime";
import type { Decision } from "../domain/canary/canary-record.ts";

/** What the canaries count. */
export interface CanaryMetrics {
  decided(provider: string, decision: Decision): void;
}

export function canaryMetrics(registry: MetricsRegistry, providers: readonly string[]): CanaryMetrics {
  const verdicts = counter(registry, "scbe_canary_verdicts_total", { provider: providers });
  return { decided: (provider, { verdict }) => verdicts.inc({ provider, verdict }) };
}
