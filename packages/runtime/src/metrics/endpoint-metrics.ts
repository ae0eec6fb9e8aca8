import { counter } from "./counter.ts";
import { watchGauge } from "./gauge.ts";
import type { MetricsRegistry } from "./registry.ts";

/** What is shown of the endpoints of one service; disposing ends the gauges. */
export interface EndpointMetrics extends Disposable {
  turnedAway(endpoint: string): void;
  heldDropped(endpoint: string): void;
}

/** How much one endpoint has in hand. */
export interface EndpointLoad {
  readonly definition: { readonly name: string };
  /** Handlers at work. */
  readonly inFlight: number;
  /** Answers that wait for their time. */
  readonly held: number;
}

/** Shows how much each endpoint has at work and holds back, and how often it turned a request away or dropped an answer. */
export function endpointMetrics(
  metrics: MetricsRegistry,
  names: readonly string[],
  loads: () => readonly EndpointLoad[],
): EndpointMetrics {
  const busy = counter(metrics, "scbe_endpoint_busy_total", { endpoint: names });
  const dropped = counter(metrics, "scbe_endpoint_held_answers_dropped_total", { endpoint: names });
  const show = (part: "inFlight" | "held") => () =>
    loads().map((load) => [{ endpoint: load.definition.name }, load[part]] as const);
  const stack = new DisposableStack();
  stack.use(watchGauge(metrics, "scbe_endpoint_in_flight", show("inFlight")));
  stack.use(watchGauge(metrics, "scbe_endpoint_held_answers", show("held")));
  return {
    turnedAway: (endpoint) => busy.inc({ endpoint }),
    heldDropped: (endpoint) => dropped.inc({ endpoint }),
    [Symbol.dispose]: () => stack.dispose(),
  };
}
