import {
  EXCHANGE_RESULTS,
  HANDLER_RESULTS,
  OPENING_TOKEN_RESULTS,
  OUTCOME_REPORT_RESULTS,
  REQUEST_RESULTS,
  UNSEALED_RESULTS,
} from "./label-sets.ts";
import { ANSWER_MS, type MetricRows } from "./metric-row.ts";

const REQUESTERS = ["orchestrator"] as const;

/** The metrics of a client that sends requests. A request that names none of its providers is not counted. */
export const ORCHESTRATOR = {
  scbe_requests_total: {
    kind: "counter",
    of: REQUESTERS,
    help: "Requests that ended, by result: ok, or the code of the error",
    unit: "count",
    labels: { provider: "providers", result: REQUEST_RESULTS },
  },
  scbe_request_ms: {
    kind: "histogram",
    of: REQUESTERS,
    help: "Time of a request from the call to its end, with failed ones",
    unit: "ms",
    labels: { provider: "providers" },
    bounds: ANSWER_MS,
  },
  scbe_request_envelopes_total: {
    kind: "counter",
    of: REQUESTERS,
    help: "Envelopes sent, by result of their exchange; more than one for a request after busy, silence or a new epoch",
    unit: "count",
    labels: { provider: "providers", landing: EXCHANGE_RESULTS },
  },
  scbe_unsealed_requests_total: {
    kind: "counter",
    of: REQUESTERS,
    help: "Unsealed exchanges of requests, by result: if the control document says fallback and SCBE_FALLBACK is allow",
    unit: "count",
    labels: { provider: "providers", landing: EXCHANGE_RESULTS },
  },
  scbe_requests_in_flight: {
    kind: "gauge",
    of: REQUESTERS,
    help: "Requests that have not ended",
    unit: "count",
    labels: {},
  },
  scbe_outcome_reports_total: {
    kind: "counter",
    of: REQUESTERS,
    help: "Reports of outcomes to the trust scorers, by result: acknowledged, failed and sent again, or dropped",
    unit: "count",
    labels: { result: OUTCOME_REPORT_RESULTS },
  },
  scbe_outcome_reports_waiting: {
    kind: "gauge",
    of: REQUESTERS,
    help: "Reports that no trust scorer has acknowledged yet",
    unit: "count",
    labels: {},
  },
} as const satisfies MetricRows;

const GATEWAYS = ["gateway"] as const;

/** The metrics of a client that serves. */
export const GATEWAY = {
  scbe_gateway_calls_in_flight: {
    kind: "gauge",
    of: GATEWAYS,
    help: "Requests under way, with those that are only opened or refused",
    unit: "count",
    labels: { provider: "providers" },
  },
  scbe_gateway_unsealed_calls_total: {
    kind: "counter",
    of: GATEWAYS,
    help: "Unsealed requests, by result: refused if the gateway's own control document does not say fallback",
    unit: "count",
    labels: { provider: "providers", result: UNSEALED_RESULTS },
  },
  scbe_gateway_handler_ms: {
    kind: "histogram",
    of: GATEWAYS,
    help: "Time of the handler, with that of the provider",
    unit: "ms",
    labels: { provider: "providers", result: HANDLER_RESULTS },
    bounds: ANSWER_MS,
  },
} as const satisfies MetricRows;

/** The metrics of an envelope service in addition to those of every verifier. */
export const ENVELOPE = {
  scbe_opening_tokens_total: {
    kind: "counter",
    of: ["envelope"],
    help: "Opening tokens that came with a response: taken, or why the response was refused; foreign: of another user or request, or forged",
    unit: "count",
    labels: { provider: "providers", result: OPENING_TOKEN_RESULTS },
  },
} as const satisfies MetricRows;
