import type { Registry } from "prom-client";
import { counter } from "./counter.ts";
import { watchGauge } from "./gauge.ts";

/** What is shown of the endpoints of one service; disposing ends the gauge. */
export interface ShownEndpoints extends Disposable {
  turnedAway(endpoint: string): void;
}

/** Shows how much each endpoint has at work, and how often it turned somebody away. */
export function showEndpoints(
  metrics: Registry,
  names: readonly string[],
  inFlight: () => Iterable<readonly [endpoint: string, count: number]>,
): ShownEndpoints {
  const busy = counter(metrics, "scbe_endpoint_busy_total", { endpoint: names });
  const watching = watchGauge(metrics, "scbe_endpoint_in_flight", () =>
    Array.from(inFlight(), ([endpoint, count]) => [{ endpoint }, count] as const),
  );
  return {
    turnedAway: (endpoint) => busy.inc({ endpoint }),
    [Symbol.dispose]: () => watching[Symbol.dispose](),
  };
}
