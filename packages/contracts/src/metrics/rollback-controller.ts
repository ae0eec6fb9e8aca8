import {
  ALERT_RESULTS,
  API_CLOSED_WHY,
  API_CONNECTION_STATES,
  API_REFUSED_STATUSES,
  AUDIT_RESULTS,
  CANARY_VERDICTS,
  CONTROL_ACTIONS,
  NOTICE_DESTINATIONS,
  NOTICE_RESULTS,
  ROLLBACK_PATHS,
  USER_STATES,
  VERIFIER_STATES,
  WEBHOOK_REFUSALS,
} from "./label-sets.ts";
import { ENVELOPE_MS, type MetricRows } from "./metric-row.ts";

const OF = ["rollback-controller"] as const;

/** A controller's metrics of the control document, its verifiers and the leadership. */
export const CONTROLLER = {
  scbe_control_leading: {
    kind: "gauge",
    of: OF,
    help: "1 while this controller leads, and so answers lease requests, else 0",
    unit: "flag",
    labels: {},
  },
  scbe_control_changes_total: {
    kind: "counter",
    of: OF,
    help: "Changes of the control document by this controller, by kind",
    unit: "count",
    labels: { action: CONTROL_ACTIONS },
  },
  scbe_control_store_up: {
    kind: "gauge",
    of: OF,
    help: "1 while the last access to the stored control document, to read or to write, succeeded, else 0",
    unit: "flag",
    labels: {},
  },
  scbe_sealed_share_ratio: {
    kind: "gauge",
    of: OF,
    help: "Share of that provider's requests that the flags seal and verify, from 0 to 1, without regard to a kill",
    unit: "ratio",
    labels: { provider: "providers" },
  },
  scbe_control_unstored_kills: {
    kind: "gauge",
    of: OF,
    help: "Kills that were sent, and are not stored yet",
    unit: "count",
    labels: {},
  },
  scbe_control_verifiers: {
    kind: "gauge",
    of: OF,
    help: "Verifiers that requested a lease in the last ten minutes, from this controller or the leader before it; converged: with the document in force, within the lease time. 0 if this controller does not lead",
    unit: "count",
    labels: { state: VERIFIER_STATES },
  },
  scbe_control_users: {
    kind: "gauge",
    of: OF,
    help: "Users of the deployment that may request leases, by the state of their verifiers; only converged and absent ones confirm a kill, and none while any is unknown. 0 if this controller does not lead",
    unit: "count",
    labels: { state: USER_STATES },
  },
  scbe_control_api_refused_total: {
    kind: "counter",
    of: OF,
    help: "Requests that the control API refused, by status",
    unit: "count",
    labels: { status: API_REFUSED_STATUSES },
  },
  scbe_control_api_connections: {
    kind: "gauge",
    of: OF,
    help: "Open connections of the control API: with a valid token, and without one yet",
    unit: "count",
    labels: { state: API_CONNECTION_STATES },
  },
  scbe_control_api_connections_closed_total: {
    kind: "counter",
    of: OF,
    help: "Connections that the control API closed because there were too many in all, of their address, or of their token",
    unit: "count",
    labels: { why: API_CLOSED_WHY },
  },
  scbe_control_leases_answered_total: {
    kind: "counter",
    of: OF,
    help: "Lease requests that were answered",
    unit: "count",
    labels: {},
  },
} as const satisfies MetricRows;

/** A controller's metrics of alerts, nonce reuse, notices, audit and trust overrides. */
export const ROLLBACK = {
  scbe_rollback_alerts_total: {
    kind: "counter",
    of: OF,
    help: "Alerts from Alertmanager, by result; with repeated ones and the Watchdog",
    unit: "count",
    labels: { result: ALERT_RESULTS },
  },
  scbe_rollback_webhooks_refused_total: {
    kind: "counter",
    of: OF,
    help: "Refused posts of Alertmanager to the webhook, by HTTP status",
    unit: "count",
    labels: { status: WEBHOOK_REFUSALS },
  },
  scbe_rollback_event_ms: {
    kind: "histogram",
    of: OF,
    help: "Time from the arrival of a nonce reuse event to the sent kill",
    unit: "ms",
    labels: {},
    bounds: ENVELOPE_MS,
  },
  scbe_rollback_paths_total: {
    kind: "counter",
    of: OF,
    help: "Nonce reuses by the path that reported first, and whether the other one reported as well within ten minutes",
    unit: "count",
    labels: { path: ROLLBACK_PATHS, agreed: ["yes", "no"] },
  },
  scbe_notices_total: {
    kind: "counter",
    of: OF,
    help: "Attempts to deliver notices, by destination and result; failed ones are retried, given up and dropped ones are lost",
    unit: "count",
    labels: { to: NOTICE_DESTINATIONS, result: NOTICE_RESULTS },
  },
  scbe_notices_waiting: {
    kind: "gauge",
    of: OF,
    help: "Notices that wait for delivery",
    unit: "count",
    labels: { to: NOTICE_DESTINATIONS },
  },
  scbe_audit_entries_total: {
    kind: "counter",
    of: OF,
    help: "Audit records by result; failed ones are retried, dropped ones are lost",
    unit: "count",
    labels: { result: AUDIT_RESULTS },
  },
  scbe_audit_waiting: {
    kind: "gauge",
    of: OF,
    help: "Audit records that are not stored yet",
    unit: "count",
    labels: {},
  },
  scbe_trust_words_waiting: {
    kind: "gauge",
    of: OF,
    help: "Trust overrides that no trust scorer has acknowledged yet; every controller exports all of them",
    unit: "count",
    labels: {},
    together: "max",
  },
} as const satisfies MetricRows;

/** A controller's metrics of canaries. */
export const CANARY = {
  scbe_canary_verdicts_total: {
    kind: "counter",
    of: OF,
    help: "Decisions about a step of a canary; hold: no change",
    unit: "count",
    labels: { provider: "providers", verdict: CANARY_VERDICTS },
  },
} as const satisfies MetricRows;
