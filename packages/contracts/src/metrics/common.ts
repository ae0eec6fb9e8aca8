import { type MetricRows, PROCESS_KINDS } from "./metric-row.ts";

/** Whoever has endpoints. */
const SERVERS = [
  "gateway",
  "envelope",
  "replay-guard",
  "keyring",
  "rollback-controller",
  "trust-scorer",
] as const;

/** What every process shows, a user's own with a client too. */
export const COMMON = {
  scbe_build_info: {
    kind: "gauge",
    of: PROCESS_KINDS,
    help: "Always 1; its labels say which service of which version this is",
    unit: "flag",
    labels: { service: "name", version: "version" },
    together: "max",
  },
  scbe_clock_offset_ms: {
    kind: "gauge",
    of: PROCESS_KINDS,
    help: "This process's wall clock less the keyring's, signed: the median of its last 15 broadcasts, their way included",
    unit: "ms",
    labels: {},
    from: "known",
    together: "max",
  },
  scbe_records_mended_total: {
    kind: "counter",
    of: ["keyring", "replay-guard", "rollback-controller", "trust-scorer"],
    help: "Stored records that could not be read and were mended by their owner; the log says into what",
    unit: "count",
    labels: { record: "records" },
  },
  scbe_dependency_up: {
    kind: "gauge",
    of: PROCESS_KINDS,
    help: "1 while that dependency is there, else 0; /readyz says why",
    unit: "flag",
    labels: { dependency: "dependencies" },
    together: "min",
  },
  scbe_nats_connected: {
    kind: "gauge",
    of: PROCESS_KINDS,
    help: "1 while the connection to NATS stands, else 0",
    unit: "flag",
    labels: {},
    together: "min",
  },
  scbe_nats_reconnects_total: {
    kind: "counter",
    of: PROCESS_KINDS,
    help: "Times that the connection to NATS came back",
    unit: "count",
    labels: {},
  },
  scbe_nats_rtt_ms: {
    kind: "gauge",
    of: PROCESS_KINDS,
    help: "Time to the NATS server and back, taken at the scrape; absent without an answer in 500 ms",
    unit: "ms",
    labels: {},
    from: "known",
    together: "max",
  },
  scbe_endpoint_in_flight: {
    kind: "gauge",
    of: SERVERS,
    help: "Requests that have a place at the endpoint: its handler is at work for them",
    unit: "count",
    labels: { endpoint: "endpoints" },
  },
  scbe_endpoint_held_answers: {
    kind: "gauge",
    of: SERVERS,
    help: "Answers that wait for their time without a place, as noise does until its floor",
    unit: "count",
    labels: { endpoint: "endpoints" },
  },
  scbe_endpoint_held_answers_dropped_total: {
    kind: "counter",
    of: SERVERS,
    help: "Answers that waited for their time and were never sent: too many waited, or the connection was down",
    unit: "count",
    labels: { endpoint: "endpoints" },
  },
  scbe_endpoint_busy_total: {
    kind: "counter",
    of: SERVERS,
    help: "Requests that the endpoint turned away because it was full, or because the user asks more often than it may",
    unit: "count",
    labels: { endpoint: "endpoints" },
  },
  scbe_trace_export_failures_total: {
    kind: "counter",
    of: PROCESS_KINDS,
    help: "Batches of spans that the collector did not take, and times that the queue was full before them",
    unit: "count",
    labels: {},
  },
} as const satisfies MetricRows;
