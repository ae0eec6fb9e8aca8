import { CONTROL_ACTIONS, VERIFIER_STATES } from "./label-sets.ts";
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
    help: "Verifiers that asked for a lease in the last ten minutes; converged: with what is in force, within its time. 0 where this controller does not lead",
    unit: "count",
    labels: { state: VERIFIER_STATES },
  },
  scbe_control_leases_answered_total: {
    kind: "counter",
    of: OF,
    help: "Questions for a lease that were answered",
    unit: "count",
    labels: {},
  },
} as const satisfies MetricRows;
