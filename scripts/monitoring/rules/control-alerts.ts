import { promDuration } from "../prom-duration.ts";
import type { Thresholds } from "../thresholds.ts";
import { type AlertInput, type AlertRule, alertRule, lines } from "./rule.ts";

/** Of the control plane: whom a kill would not reach, what is not stored, and who is not told. */
export function controlAlerts(thresholds: Thresholds): readonly AlertRule[] {
  return [
    verifierStale(thresholds),
    verifierBehind(thresholds),
    controlNotStored(thresholds),
    alertsNotReceived(thresholds),
    webhookRefused(thresholds),
    webhookNotAuthorized(thresholds),
    rollbackPathSilent(thresholds),
    noticesNotDelivered(thresholds),
    auditNotStored(thresholds),
  ];
}

/** By its own word. The controller's count of silent ones has those that ended, too. */
function verifierStale({ durations }: Thresholds): AlertRule {
  return critical({
    alert: "SCBEVerifierStale",
    expr: "scbe_control_stale == 1",
    forMs: durations.verifierStaleForMs,
    summary: "A verifier has no lease",
    description: "{{ $labels.job }} at {{ $labels.instance }} does not know whether it was switched off",
    runbook:
      "All at once: no controller leads (scbe_control_leading), or none is reached. One: its link (scbe_nats_connected), and scbe_control_leases_total by result. SCBE_CONTROL_STALE_POLICY says what it does meanwhile.",
  });
}

/** Those that Prometheus does not scrape are among them. */
function verifierBehind({ durations }: Thresholds): AlertRule {
  return critical({
    alert: "SCBEVerifierBehind",
    expr: 'sum(scbe_control_verifiers{state="behind"}) > 0',
    forMs: durations.verifierStaleForMs,
    summary: "A verifier does not take the control document",
    description:
      '{{ $value | printf "%.0f" }} verifiers ask for leases, and hold something else than what is in force',
    runbook:
      'GET /health/orchestrator names them. Their scbe_control_documents_total{result="refused"} rises: another SCBE_CONTROL_PUBLIC_KEY or environment, or an older version.',
  });
}

function controlNotStored({ durations }: Thresholds): AlertRule {
  return critical({
    alert: "SCBEControlNotStored",
    expr: "scbe_control_store_up == 0 or scbe_control_unstored_kills > 0",
    forMs: durations.storeAwayForMs,
    summary: "The control document cannot be stored",
    description:
      "The controller at {{ $labels.instance }} cannot read or write the bucket SCBE_CONTROL: kills are sent, all else is refused",
    runbook:
      "JetStream: has the bucket a leader, is its disk full? A kill reaches the verifiers that run. While no controller leads there are no leases: a verifier that starts now is not ready. Do not restart verifiers until the store is back.",
  });
}

/** Where Prometheus or Alertmanager itself is gone, this is gone with it. */
function alertsNotReceived({ durations }: Thresholds): AlertRule {
  const window = promDuration(durations.watchdogWindowMs);
  return critical({
    alert: "SCBEAlertsNotReceived",
    expr: `sum(increase(scbe_rollback_alerts_total{result="watchdog"}[${window}])) == 0`,
    forMs: durations.watchdogMissingForMs,
    summary: "Alerts do not reach the rollback controller",
    description: "No Watchdog has come to a controller: no alert would switch anything off",
    runbook:
      "Alertmanager's log has the controller's answer. 401: the file scbe-alertmanager-token is not SCBE_ALERTMANAGER_TOKEN. Else the webhook's address, or a silence over the Watchdog.",
  });
}

/** Alertmanager does not repeat a post that was refused for its contents before its next turn, so one is enough. */
function webhookRefused({ durations }: Thresholds): AlertRule {
  const tell = promDuration(durations.webhookRefusedTellMs);
  return critical({
    alert: "SCBEWebhookRefused",
    expr: `sum by (status) (increase(scbe_rollback_webhooks_refused_total{status!~"${NOT_AUTHORIZED}"}[${tell}])) > 0`,
    forMs: 0,
    summary: "The rollback controller has refused a post of Alertmanager",
    description:
      "Posts of Alertmanager were answered with status {{ $labels.status }}: an alert in them may have switched nothing off",
    runbook:
      "The controller's log has the reason of each. 400: no trigger could be read; look at the receiver's max_alerts and at the size of labels and annotations. 503: the kill could not be sent, or too many posts came at once; Alertmanager posts again. Until it is mended, switch off by scripts/scbe-kill-switch.sh where a safety alert fires.",
  });
}

/** A stranger can cause this one, so it wakes no person; an Alertmanager with a wrong token is told by the missing Watchdog, too. */
function webhookNotAuthorized({ durations }: Thresholds): AlertRule {
  const tell = promDuration(durations.webhookRefusedTellMs);
  return alertRule({
    alert: "SCBEWebhookNotAuthorized",
    expr: `sum by (status) (increase(scbe_rollback_webhooks_refused_total{status=~"${NOT_AUTHORIZED}"}[${tell}])) > 0`,
    forMs: 0,
    class: "operations",
    severity: "warning",
    summary: "A post to the webhook of Alertmanager had no valid token",
    description: "Posts to the rollback controller's webhook were answered with status {{ $labels.status }}",
    runbook:
      "The controller's log has the address of each. Alertmanager's: its file scbe-alertmanager-token is not SCBE_ALERTMANAGER_TOKEN. Another one: who can reach the control API, and why?",
  });
}

const NOT_AUTHORIZED = "401|403|429";

function rollbackPathSilent({ durations }: Thresholds): AlertRule {
  const window = promDuration(durations.pathSilentTellMs);
  return critical({
    alert: "SCBERollbackPathSilent",
    expr: `sum by (path) (increase(scbe_rollback_paths_total{agreed="no"}[${window}])) > 0`,
    forMs: 0,
    summary: "Only one of two paths has spoken of a nonce reuse",
    description:
      "Only the {{ $labels.path }} has spoken of a nonce reuse: the other path is broken, or this one lies",
    runbook:
      "After the event: are Prometheus and Alertmanager at work, and is there a silence? After the alert, does the guard reach the stream SCBE_SECURITY? The audit's entry names the provider.",
  });
}

function noticesNotDelivered({ durations }: Thresholds): AlertRule {
  const lost = promDuration(durations.lostTellMs);
  return critical({
    alert: "SCBENoticesNotDelivered",
    expr: lines(
      "max by (to) (scbe_notices_waiting) > 0",
      "or",
      `sum by (to) (increase(scbe_notices_total{result=~"given_up|dropped"}[${lost}])) > 0`,
    ),
    forMs: durations.undeliveredForMs,
    summary: "The controller's notices do not arrive",
    description:
      "{{ $labels.to }} does not take the controller's notices: nobody is told of kills and releases there",
    runbook:
      "The controller's log has each try. Check its key or URL (PAGERDUTY_INTEGRATION_KEY, SLACK_WEBHOOK_URL) and its way out.",
  });
}

function auditNotStored({ durations }: Thresholds): AlertRule {
  const lost = promDuration(durations.lostTellMs);
  return critical({
    alert: "SCBEAuditNotStored",
    expr: lines(
      "scbe_audit_waiting > 0",
      "or",
      `increase(scbe_audit_entries_total{result="dropped"}[${lost}]) > 0`,
    ),
    forMs: durations.undeliveredForMs,
    summary: "The audit is not stored",
    description: "Records of the controller at {{ $labels.instance }} wait to be stored, or are lost",
    runbook:
      "JetStream: the stream SCBE_AUDIT, its leader, its disk. What waits is stored later; a controller that is restarted meanwhile loses it.",
  });
}

function critical(input: Omit<AlertInput, "class" | "severity">): AlertRule {
  return alertRule({ ...input, class: "operations", severity: "critical" });
}
