import { ANSWER_MS } from "./bounds.ts";
import { EXCHANGE_RESULTS, OUTCOME_REPORT_RESULTS, REQUEST_RESULTS } from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

const OF = ["orchestrator"] as const;

/** What a client that sends requests shows. A request that names none of its providers is counted nowhere. */
export const ORCHESTRATOR = {
  scbe_requests_total: {
    kind: "counter",
    of: OF,
    help: "Requests that ended, by result: ok, or the code of the error",
    unit: "count",
    labels: { provider: "providers", result: REQUEST_RESULTS },
  },
  scbe_request_ms: {
    kind: "histogram",
    of: OF,
    help: "Time of a request from the call to its end, whatever that was",
    unit: "ms",
    labels: { provider: "providers" },
    bounds: ANSWER_MS,
  },
  scbe_request_envelopes_total: {
    kind: "counter",
    of: OF,
    help: "Envelopes sent, by how their journey ended; more than one for a request after busy, silence or a new epoch",
    unit: "count",
    labels: { provider: "providers", landing: EXCHANGE_RESULTS },
  },
  scbe_unsealed_requests_total: {
    kind: "counter",
    of: OF,
    help: "Tries of requests that went unsealed, by how they ended: where the control document says fallback and SCBE_FALLBACK is allow",
    unit: "count",
    labels: { provider: "providers", landing: EXCHANGE_RESULTS },
  },
  scbe_requests_in_flight: {
    kind: "gauge",
    of: OF,
    help: "Requests that have not ended",
    unit: "count",
    labels: {},
  },
  scbe_outcome_reports_total: {
    kind: "counter",
    of: OF,
    help: "Events that tell the trust scorers what requests came to, by what became of them: acknowledged, failed and told again, or dropped",
    unit: "count",
    labels: { result: OUTCOME_REPORT_RESULTS },
  },
  scbe_outcome_reports_waiting: {
    kind: "gauge",
    of: OF,
    help: "Events that no trust scorer has acknowledged yet",
    unit: "count",
    labels: {},
  },
} as const satisfies MetricRows;
