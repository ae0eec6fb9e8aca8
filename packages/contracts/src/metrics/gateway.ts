import { ANSWER_MS } from "./bounds.ts";
import { HANDLER_RESULTS, UNSEALED_RESULTS } from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

const OF = ["gateway"] as const;

/** What a client that serves shows. */
export const GATEWAY = {
  scbe_gateway_calls_in_flight: {
    kind: "gauge",
    of: OF,
    help: "Requests at work, those included that are only being opened or refused",
    unit: "count",
    labels: { provider: "providers" },
  },
  scbe_gateway_unsealed_calls_total: {
    kind: "counter",
    of: OF,
    help: "Unsealed requests, by what became of them: refused where the gateway's own control document does not say fallback",
    unit: "count",
    labels: { provider: "providers", result: UNSEALED_RESULTS },
  },
  scbe_gateway_handler_ms: {
    kind: "histogram",
    of: OF,
    help: "Time of the handler, the provider's included",
    unit: "ms",
    labels: { provider: "providers", result: HANDLER_RESULTS },
    bounds: ANSWER_MS,
  },
} as const satisfies MetricRows;
