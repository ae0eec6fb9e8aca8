import {
  API_CLOSED_WHY,
  API_CONNECTION_STATES,
  API_REFUSED_STATUSES,
  CONTROL_ACTIONS,
  USER_STATES,
  VERIFIER_STATES,
} from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

const OF = ["rollback-controller"] as const;

/** What a controller shows of the control document, of who obeys it, and of who leads. */
export const CONTROLLER = {
  scbe_control_leading: {
    kind: "gauge",
    of: OF,
    help: "1 while this controller leads, and so answers leases, else 0",
    unit: "flag",
    labels: {},
  },
  scbe_control_changes_total: {
    kind: "counter",
    of: OF,
    help: "Changes of the control document that this controller has made, by what they were about",
    unit: "count",
    labels: { action: CONTROL_ACTIONS },
  },
  scbe_control_store_up: {
    kind: "gauge",
    of: OF,
    help: "1 while the stored control document could be read, and written where that was due, the last time, else 0",
    unit: "flag",
    labels: {},
  },
  scbe_sealed_share_ratio: {
    kind: "gauge",
    of: OF,
    help: "How much of that provider's requests the flags have sealed and verified, from 0 to 1; a kill is not in it",
    unit: "ratio",
    labels: { provider: "providers" },
  },
  scbe_control_unstored_kills: {
    kind: "gauge",
    of: OF,
    help: "Kills that were sent, and are not in the store yet",
    unit: "count",
    labels: {},
  },
  scbe_control_verifiers: {
    kind: "gauge",
    of: OF,
    help: "Verifiers that asked for a lease in the last ten minutes, of this controller or of the one that led before; converged: with what is in force, within its time. 0 where this controller does not lead",
    unit: "count",
    labels: { state: VERIFIER_STATES },
  },
  scbe_control_users: {
    kind: "gauge",
    of: OF,
    help: "Users of the deployment that may ask for leases, by how their verifiers stand; only converged and absent ones confirm a kill, and none while any is unknown. 0 where this controller does not lead",
    unit: "count",
    labels: { state: USER_STATES },
  },
  scbe_control_api_refused_total: {
    kind: "counter",
    of: OF,
    help: "Requests that the control API has refused, by status",
    unit: "count",
    labels: { status: API_REFUSED_STATUSES },
  },
  scbe_control_api_connections: {
    kind: "gauge",
    of: OF,
    help: "Open connections of the control API: with a valid token, and without one so far",
    unit: "count",
    labels: { state: API_CONNECTION_STATES },
  },
  scbe_control_api_connections_closed_total: {
    kind: "counter",
    of: OF,
    help: "Connections that the control API has closed, since there were too many of all, of their address, or of their token",
    unit: "count",
    labels: { why: API_CLOSED_WHY },
  },
  scbe_control_leases_answered_total: {
    kind: "counter",
    of: OF,
    help: "Questions for a lease that were answered",
    unit: "count",
    labels: {},
  },
} as const satisfies MetricRows;
