import { type MetricRows, PROCESS_KINDS } from "./metric-row.ts";

/** The processes with endpoints. */
const SERVERS = [
  "gateway",
  "envelope",
  "replay-guard",
  "keyring",
  "rollback-controller",
  "trust-scorer",
] as const;

/** The metrics of every process, including a user's own with a client. */
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
    help: "This process's wall clock less the keyring's, signed: the median of its last 15 broadcasts, with their travel time",
    unit: "ms",
    labels: {},
    from: "known",
    together: "max",
  },
  scbe_records_mended_total: {
    kind: "counter",
    of: ["keyring", "replay-guard", "rollback-controller", "trust-scorer"],
    help: "Unreadable stored records that their owner repaired; the log has the new value",
    unit: "count",
    labels: { record: "records" },
  },
  scbe_dependency_up: {
    kind: "gauge",
    of: PROCESS_KINDS,
    help: "1 while that dependency is available, else 0; /readyz has the reason",
    unit: "flag",
    labels: { dependency: "dependencies" },
    together: "min",
  },
  scbe_nats_connected: {
    kind: "gauge",
    of: PROCESS_KINDS,
    help: "1 while connected to NATS, else 0",
    unit: "flag",
    labels: {},
    together: "min",
  },
  scbe_nats_reconnects_total: {
    kind: "counter",
    of: PROCESS_KINDS,
    help: "Reconnects to NATS",
    unit: "count",
    labels: {},
  },
  scbe_nats_rtt_ms: {
    kind: "gauge",
    of: PROCESS_KINDS,
    help: "Round trip to the NATS server, measured at the scrape; absent without an answer in 500 ms",
    unit: "ms",
    labels: {},
    from: "known",
    together: "max",
  },
  scbe_endpoint_in_flight: {
    kind: "gauge",
    of: SERVERS,
    help: "Requests that the handler of the endpoint works on",
    unit: "count",
    labels: { endpoint: "endpoints" },
  },
  scbe_endpoint_held_answers: {
    kind: "gauge",
    of: SERVERS,
    help: "Delayed answers that occupy no handler, such as noise until its floor",
    unit: "count",
    labels: { endpoint: "endpoints" },
  },
  scbe_endpoint_held_answers_dropped_total: {
    kind: "counter",
    of: SERVERS,
    help: "Delayed answers that were never sent: too many waited, or the connection was down",
    unit: "count",
    labels: { endpoint: "endpoints" },
  },
  scbe_endpoint_busy_total: {
    kind: "counter",
    of: SERVERS,
    help: "Requests that the endpoint rejected because it was full, or because the user exceeded its rate",
    unit: "count",
    labels: { endpoint: "endpoints" },
  },
  scbe_trace_export_failures_total: {
    kind: "counter",
    of: PROCESS_KINDS,
    help: "Batches of spans that the collector did not accept, and times that the queue for them was full",
    unit: "count",
    labels: {},
  },
} as const satisfies MetricRows;
