import { ENVELOPE_MS } from "./bounds.ts";
import {
  ALERT_RESULTS,
  AUDIT_RESULTS,
  NOTICE_DESTINATIONS,
  NOTICE_RESULTS,
  ROLLBACK_PATHS,
  WEBHOOK_REFUSALS,
} from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

const OF = ["rollback-controller"] as const;

/** What a controller shows of alerts, the direct path of nonce reuse, its notices, its audit and words about trust. */
export const ROLLBACK = {
  scbe_rollback_alerts_total: {
    kind: "counter",
    of: OF,
    help: "Alerts that Alertmanager told, by what was done; repeated ones and the Watchdog included",
    unit: "count",
    labels: { result: ALERT_RESULTS },
  },
  scbe_rollback_webhooks_refused_total: {
    kind: "counter",
    of: OF,
    help: "Posts to the webhook of Alertmanager that were refused, by HTTP status",
    unit: "count",
    labels: { status: WEBHOOK_REFUSALS },
  },
  scbe_rollback_event_ms: {
    kind: "histogram",
    of: OF,
    help: "Time from the arrival of a nonce reuse's event to the kill that was sent",
    unit: "ms",
    labels: {},
    bounds: ENVELOPE_MS,
  },
  scbe_rollback_paths_total: {
    kind: "counter",
    of: OF,
    help: "Nonce reuses by the path that spoke first, and whether the other one spoke as well within ten minutes",
    unit: "count",
    labels: { path: ROLLBACK_PATHS, agreed: ["yes", "no"] },
  },
  scbe_notices_total: {
    kind: "counter",
    of: OF,
    help: "Tries to tell people, by destination and result; failed ones are tried again, given up and dropped ones are lost",
    unit: "count",
    labels: { to: NOTICE_DESTINATIONS, result: NOTICE_RESULTS },
  },
  scbe_notices_waiting: {
    kind: "gauge",
    of: OF,
    help: "Notices that wait to be taken",
    unit: "count",
    labels: { to: NOTICE_DESTINATIONS },
  },
  scbe_audit_entries_total: {
    kind: "counter",
    of: OF,
    help: "Audit records by what became of them; failed ones are tried again, dropped ones are lost",
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
    help: "Words of persons about trust that are kept until a trust scorer has acknowledged them; every controller shows all of them",
    unit: "count",
    labels: {},
    together: "max",
  },
} as const satisfies MetricRows;
