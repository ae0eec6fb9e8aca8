import type { AlertCases, CaseSeries } from "./alert-case.ts";
import { counter, everyMinute, gauge, type Increment, nothing, series } from "./series.ts";

const GATEWAY = { job: "gateway", instance: "gateway-1:9" };
const CONTROLLER = { job: "rollback-controller", instance: "controller-1:9" };
const OTHER = { ...CONTROLLER, instance: "controller-2:9" };
const MINUTES = 20;

/** 1 in those seconds, otherwise 0. */
function flag(metric: string, labels: Readonly<Record<string, string>>, isOn: (second: number) => boolean) {
  return series(
    metric,
    labels,
    gauge(MINUTES, (second) => (isOn(second) ? 1 : 0)),
  );
}

/** Counts one at that second. */
function once(metric: string, labels: Readonly<Record<string, string>>, at: number): CaseSeries {
  return series(
    metric,
    labels,
    counter(MINUTES, (second) => (second === at ? 1 : 0)),
  );
}

export const VERIFIER_STALE: AlertCases = {
  "a verifier without a lease is an alert after two minutes, and is named": {
    alert: "SCBEVerifierStale",
    series: [flag("scbe_control_stale", GATEWAY, (second) => second >= 300)],
    minutes: 7,
    fires: {
      labels: GATEWAY,
      notBefore: 6.75,
      says: "gateway at gateway-1:9 does not know whether it was switched off",
    },
  },
  "a minute without a lease, as when another controller takes over, is no alert": {
    alert: "SCBEVerifierStale",
    series: [flag("scbe_control_stale", GATEWAY, (second) => second >= 300 && second < 360)],
    minutes: MINUTES,
    fires: "never",
  },
};

function verifiers(state: string, isOn: (second: number) => boolean): readonly CaseSeries[] {
  return [
    flag("scbe_control_verifiers", { ...CONTROLLER, state }, isOn),
    flag("scbe_control_verifiers", { ...OTHER, state }, () => false),
  ];
}

export const VERIFIER_BEHIND: AlertCases = {
  "a verifier that requests leases and does not accept the document is an alert, though another controller sees none":
    {
      alert: "SCBEVerifierBehind",
      series: verifiers("behind", (second) => second >= 300),
      minutes: 7,
      fires: {
        labels: {},
        notBefore: 6.75,
        says: "1 verifiers request leases, and do not hold the control document in force",
      },
    },
  "verifiers that are behind for a moment after each change are no alert": {
    alert: "SCBEVerifierBehind",
    series: verifiers("behind", (second) => second % 60 === 0),
    minutes: MINUTES,
    fires: "never",
  },
  "a verifier that has ended, and requests nothing, is not behind": {
    alert: "SCBEVerifierBehind",
    series: verifiers("stale", () => true),
    minutes: MINUTES,
    fires: "never",
  },
};

export const CONTROL_NOT_STORED: AlertCases = {
  "a bucket that cannot be read or written is an alert after a minute": {
    alert: "SCBEControlNotStored",
    series: [flag("scbe_control_store_up", CONTROLLER, (second) => second < 300)],
    minutes: 6,
    fires: {
      labels: CONTROLLER,
      notBefore: 5.75,
      says: "The controller at controller-1:9 cannot read or write the bucket SCBE_CONTROL: kills are sent, all other changes are refused",
    },
  },
  "a kill that was sent and is not stored is an alert": {
    alert: "SCBEControlNotStored",
    series: [
      flag("scbe_control_store_up", CONTROLLER, () => true),
      flag("scbe_control_unstored_kills", CONTROLLER, (second) => second >= 300),
    ],
    minutes: 6,
    fires: { labels: CONTROLLER, notBefore: 5.75 },
  },
  "a bucket that is back within half a minute is no alert": {
    alert: "SCBEControlNotStored",
    series: [flag("scbe_control_store_up", CONTROLLER, (second) => second < 300 || second > 330)],
    minutes: MINUTES,
    fires: "never",
  },
};

/** The Watchdog's counts of two controllers; Alertmanager posts to either of them. */
function watchdogs(left: Increment, right: Increment): readonly CaseSeries[] {
  const labels = { ...CONTROLLER, result: "watchdog" };
  return [
    series("scbe_rollback_alerts_total", labels, counter(MINUTES, left)),
    series("scbe_rollback_alerts_total", { ...labels, instance: OTHER.instance }, counter(MINUTES, right)),
  ];
}

export const ALERTS_NOT_RECEIVED: AlertCases = {
  "a Watchdog that reaches no controller is an alert, though other alerts do": {
    alert: "SCBEAlertsNotReceived",
    series: [
      ...watchdogs((second) => (second <= 300 ? everyMinute(1)(second) : 0), nothing),
      series(
        "scbe_rollback_alerts_total",
        { ...CONTROLLER, result: "known" },
        counter(MINUTES, everyMinute(1)),
      ),
    ],
    minutes: 12,
    fires: {
      labels: {},
      notBefore: 11.75,
      says: "No Watchdog has reached a controller: no alert can switch anything off",
    },
  },
  "a Watchdog that comes to one of two controllers each minute is no alert": {
    alert: "SCBEAlertsNotReceived",
    series: watchdogs(everyMinute(1), nothing),
    minutes: MINUTES,
    fires: "never",
  },
  "a Watchdog that is missing for three minutes is no alert": {
    alert: "SCBEAlertsNotReceived",
    series: watchdogs((second) => (second > 300 && second < 480 ? 0 : everyMinute(1)(second)), nothing),
    minutes: MINUTES,
    fires: "never",
  },
};

/** One post is refused with that status after five minutes. */
function refusedOnce(status: string): readonly CaseSeries[] {
  const metric = "scbe_rollback_webhooks_refused_total";
  return ["400", "401", "503"].map((each) =>
    once(metric, { ...CONTROLLER, status: each }, each === status ? 300 : -1),
  );
}

export const WEBHOOK_REFUSED: AlertCases = {
  "a post of Alertmanager that is refused once is an alert at once, with its status": {
    alert: "SCBEWebhookRefused",
    series: refusedOnce("400"),
    minutes: 6,
    fires: {
      labels: { status: "400" },
      notBefore: 4.75,
      says: "Posts of Alertmanager were answered with status 400: an alert in them may have had no effect",
    },
  },
  "a kill that could not be sent is an alert": {
    alert: "SCBEWebhookRefused",
    series: refusedOnce("503"),
    minutes: 6,
    fires: { labels: { status: "503" }, notBefore: 4.75 },
  },
  "a post without a valid token, which any client can send, is no critical alert": {
    alert: "SCBEWebhookRefused",
    series: refusedOnce("401"),
    minutes: MINUTES,
    fires: "never",
  },
  "a post without a valid token is a warning": {
    alert: "SCBEWebhookNotAuthorized",
    series: refusedOnce("401"),
    minutes: 6,
    fires: {
      labels: { status: "401" },
      notBefore: 4.75,
      says: "Posts to the rollback controller's webhook were answered with status 401",
    },
  },
  "a post that is refused for its contents is not reported as one without a token": {
    alert: "SCBEWebhookNotAuthorized",
    series: refusedOnce("400"),
    minutes: MINUTES,
    fires: "never",
  },
};

export const ROLLBACK_PATH_SILENT: AlertCases = {
  "a nonce reuse that only one signal reports is an alert at once, and names that signal": {
    alert: "SCBERollbackPathSilent",
    series: [once("scbe_rollback_paths_total", { ...CONTROLLER, path: "event", agreed: "no" }, 600)],
    minutes: 10,
    fires: {
      labels: { path: "event" },
      notBefore: 9.75,
      says: "Only the event reported a nonce reuse: the other signal is broken, or this one is false",
    },
  },
  "a nonce reuse that both signals report is no alert of the signals": {
    alert: "SCBERollbackPathSilent",
    series: [
      once("scbe_rollback_paths_total", { ...CONTROLLER, path: "event", agreed: "yes" }, 600),
      once("scbe_rollback_paths_total", { ...CONTROLLER, path: "event", agreed: "no" }, -1),
    ],
    minutes: MINUTES,
    fires: "never",
  },
};

const SLACK = { ...CONTROLLER, to: "slack" };

export const NOTICES_NOT_DELIVERED: AlertCases = {
  "a notice that is not accepted for five minutes is an alert": {
    alert: "SCBENoticesNotDelivered",
    series: [flag("scbe_notices_waiting", SLACK, (second) => second >= 300)],
    minutes: 10,
    fires: {
      labels: { to: "slack" },
      notBefore: 9.75,
      says: "slack does not accept the controller's notices: kills and releases are not reported there",
    },
  },
  "a notice that is refused for good is an alert, though none waits": {
    alert: "SCBENoticesNotDelivered",
    series: [
      flag("scbe_notices_waiting", SLACK, () => false),
      once("scbe_notices_total", { ...SLACK, result: "given_up" }, 300),
    ],
    minutes: 10,
    fires: { labels: { to: "slack" }, notBefore: 9.75 },
  },
  "a notice that arrives at a later try is no alert": {
    alert: "SCBENoticesNotDelivered",
    series: [
      flag("scbe_notices_waiting", SLACK, (second) => second >= 300 && second < 480),
      once("scbe_notices_total", { ...SLACK, result: "failed" }, 300),
      once("scbe_notices_total", { ...SLACK, result: "given_up" }, -1),
    ],
    minutes: MINUTES,
    fires: "never",
  },
};

export const AUDIT_NOT_STORED: AlertCases = {
  "audit records that wait for five minutes are an alert": {
    alert: "SCBEAuditNotStored",
    series: [flag("scbe_audit_waiting", CONTROLLER, (second) => second >= 300)],
    minutes: 10,
    fires: {
      labels: CONTROLLER,
      notBefore: 9.75,
      says: "Records of the controller at controller-1:9 wait to be stored, or are lost",
    },
  },
  "an audit record that is lost is an alert, though none waits": {
    alert: "SCBEAuditNotStored",
    series: [
      flag("scbe_audit_waiting", CONTROLLER, () => false),
      once("scbe_audit_entries_total", { ...CONTROLLER, result: "dropped" }, 300),
    ],
    minutes: 10,
    fires: { labels: CONTROLLER, notBefore: 9.75 },
  },
  "records that are stored at a later try are no alert": {
    alert: "SCBEAuditNotStored",
    series: [
      flag("scbe_audit_waiting", CONTROLLER, (second) => second >= 300 && second < 480),
      once("scbe_audit_entries_total", { ...CONTROLLER, result: "failed" }, 300),
    ],
    minutes: MINUTES,
    fires: "never",
  },
};
