import { counter, type Registry } from "@scbe/service-kit";
import type { Decision } from "../domain/canary/canary-record.ts";

/** What the canaries count. */
export interface CanaryMetrics {
  decided(provider: string, decision: Decision): void;
}

export function canaryMetrics(registry: Registry, providers: readonly string[]): CanaryMetrics {
  const verdicts = counter(registry, "scbe_canary_verdicts_total", { provider: providers });
  return { decided: (provider, { verdict }) => verdicts.inc({ provider, verdict }) };
}
