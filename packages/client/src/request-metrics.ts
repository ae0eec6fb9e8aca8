import { type ExchangeResult, errorCode } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, histogram, watchGauge } from "@scbe/runtime";
import type { RequestMessage } from "./request-message.ts";

/** What is shown of a client's requests; disposing ends the gauge. */
export interface RequestMetrics extends Disposable {
  /** A cargo's journey is over. */
  landed(cargo: Pick<RequestMessage, "subject" | "provider">, landing: ExchangeResult): void;
  /** A request is over; with what it failed, if it did. */
  ended(provider: string, ms: number, error?: unknown): void;
}

/** @param inFlight how many there are now */
export function requestMetrics(
  metrics: MetricsRegistry,
  providers: readonly string[],
  inFlight: () => number,
): RequestMetrics {
  const requests = counter(metrics, "scbe_requests_total", { provider: providers });
  const requestMs = histogram(metrics, "scbe_request_ms", { provider: providers });
  const envelopes = counter(metrics, "scbe_request_envelopes_total", { provider: providers });
  const unsealed = counter(metrics, "scbe_unsealed_requests_total", { provider: providers });
  const watching = watchGauge(metrics, "scbe_requests_in_flight", () => [[{}, inFlight()]]);
  return {
    landed: ({ subject, provider }, landing) =>
      (subject === "request" ? envelopes : unsealed).inc({ provider, landing }),
    ended: (provider, ms, error) => {
      requests.inc({ provider, result: error === undefined ? "ok" : errorCode(error) });
      requestMs.observe({ provider }, ms);
    },
    [Symbol.dispose]: () => watching[Symbol.dispose](),
  };
}
