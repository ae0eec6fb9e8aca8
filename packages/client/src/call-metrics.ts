import type { UnsealedResult } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, gauge, histogram, watchGauge } from "@scbe/runtime";

/** What is shown of a gateway's calls. */
export interface CallMetrics {
  handled(provider: string, result: "ok" | "failed", ms: number): void;
  /** A request has arrived without a seal. */
  unsealed(provider: string, result: UnsealedResult): void;
  /** From when a provider is served; disposing ends it. */
  serve(provider: string, inFlight: () => number): Disposable;
}

export function callMetrics(metrics: MetricsRegistry, providers: readonly string[]): CallMetrics {
  const handlerMs = histogram(metrics, "scbe_gateway_handler_ms", { provider: providers });
  const unsealed = counter(metrics, "scbe_gateway_unsealed_calls_total", { provider: providers });
  gauge(metrics, "scbe_gateway_calls_in_flight", { provider: providers });
  return {
    handled: (provider, result, ms) => handlerMs.observe({ provider, result }, ms),
    unsealed: (provider, result) => unsealed.inc({ provider, result }),
    serve: (provider, inFlight) =>
      watchGauge(metrics, "scbe_gateway_calls_in_flight", () => [[{ provider }, inFlight()]]),
  };
}
