import { promDuration } from "../prom-duration.ts";
import type { Durations, Thresholds } from "../thresholds.ts";
import { type AlertInput, type AlertRule, alertRule } from "./rule.ts";

/** Of trust: whom the mean of SCBETrustDegraded hides, and a scorer that does not do its work. */
export function trustAlerts(thresholds: Thresholds): readonly AlertRule[] {
  return [
    ...providerLatched(thresholds),
    providerDoubted(thresholds),
    providerExcluded(thresholds),
    trustUntold(thresholds),
    trustLag(thresholds),
    outcomesLost(thresholds),
  ];
}

/**
 * What the scorer that leads says of trust, without its own labels, so that an alert goes on when another one takes over. While none does,
 * what was said last.
 */
export function ofTheLeader(aggregate: string, metric: string, { trustGapMs }: Durations): string {
  return `${aggregate}(${metric}) or ${aggregate}(last_over_time(${metric}[${promDuration(trustGapMs)}]))`;
}

function providerLatched({ durations }: Thresholds): readonly AlertRule[] {
  const clear = "POST /admin/scbe/trust clears it, by a named person, once it is known who had its keys";
  return [
    operations({
      alert: "SCBEProviderLatched",
      expr: `(${ofTheLeader("min", "scbe_trust_latched", durations)}) == 1`,
      forMs: 0,
      severity: "critical",
      summary: "No provider is trusted any more",
      description: "All providers are latched for their integrity: every request is refused",
      runbook: `The replay guard's events and the clients' logs say what was seen. All of them at once: look at the keyring, and at whoever sealed. ${clear}.`,
    }),
    operations({
      alert: "SCBEProviderLatched",
      expr: `(${ofTheLeader("max by (provider) ", "scbe_trust_latched", durations)}) == 1`,
      forMs: 0,
      severity: "warning",
      summary: "A provider is out until a person clears it",
      description:
        "{{ $labels.provider }} is latched for its integrity: nothing is sent to it, nor taken from it",
      runbook: `GET /metrics/scbe/trust-scores has the cause and the event. ${clear}.`,
    }),
  ];
}

/** What one teller saw holds for its own requests alone, so no other sign would tell that a person has to look. */
function providerDoubted({ durations }: Thresholds): AlertRule {
  const doubted = ofTheLeader("max by (provider) ", "scbe_trust_tellers_latching", durations);
  const latched = ofTheLeader("max by (provider) ", "scbe_trust_latched", durations);
  return operations({
    alert: "SCBEProviderDoubted",
    expr: `((${doubted}) > 0) unless on (provider) ((${latched}) == 1)`,
    forMs: 0,
    severity: "warning",
    summary: "A teller refuses a provider for its integrity",
    description:
      '{{ $value | printf "%.0f" }} tellers saw an answer of {{ $labels.provider }} fail its integrity and refuse it; for the others it is in use',
    runbook:
      "GET /metrics/scbe/trust-scores names the teller and the event. Look at both: an answer was forged with the provider's keys, or the teller's credentials are in other hands. POST /admin/scbe/trust clears the event.",
  });
}

function providerExcluded({ durations }: Thresholds): AlertRule {
  const told = promDuration(durations.trustExcludedTellMs);
  return operations({
    alert: "SCBEProviderExcluded",
    expr: `max by (provider) (max_over_time(scbe_trust_excluded[${told}])) == 1`,
    forMs: 0,
    severity: "warning",
    summary: "A provider is out for its quality",
    description: `{{ $labels.provider }} is excluded, or was within ${told}: others are asked before it`,
    runbook:
      "scbe_requests_total by provider and result says what its requests come to. It comes back by itself, step by step; POST /admin/scbe/trust sets its quality at once.",
  });
}

function trustUntold({ durations }: Thresholds): AlertRule {
  return operations({
    alert: "SCBETrustUntold",
    expr: "count(scbe_trust_leading) unless on () scbe_trust_score_avg",
    forMs: durations.trustUntoldForMs,
    severity: "critical",
    summary: "No trust scorer leads",
    description:
      'None of {{ $value | printf "%.0f" }} trust scorers says how far providers are trusted: no exclusion and no latch is set',
    runbook:
      "/readyz of the scorers. scbe_trust_leading 0 everywhere: the bucket SCBE_TRUST cannot be written. 1, and no score: its state cannot be read, or not the stream; the log says which. Until then all go by the last document.",
  });
}

function trustLag({ limits, durations }: Thresholds): AlertRule {
  return operations({
    alert: "SCBETrustLag",
    expr: `max(scbe_trust_stream_lag) > ${limits.trustLagMax}`,
    forMs: durations.trustLagForMs,
    severity: "warning",
    summary: "Trust lags behind what happens",
    description: '{{ $value | printf "%.0f" }} messages of the trust stream wait to be applied',
    runbook:
      "The leading scorer's nodejs_eventloop_lag_p99_seconds and scbe_nats_rtt_ms. rate(scbe_trust_events_total) says what it gets done; what does not fit into the stream any more is lost, latches with it.",
  });
}

function outcomesLost({ durations }: Thresholds): AlertRule {
  return operations({
    alert: "SCBEOutcomesLost",
    expr: `increase(scbe_outcome_reports_total{result="dropped"}[${promDuration(durations.lostTellMs)}]) > 0`,
    forMs: 0,
    severity: "warning",
    summary: "What requests came to is not told",
    description: "{{ $labels.instance }} has lost outcomes that it had to tell the trust scorer",
    runbook:
      "Trust does not count what is lost, a broken answer's latch with it. scbe_outcome_reports_waiting: no scorer stores what it is told (SCBETrustUntold, JetStream), or the server refuses this user. A link that was dead for a while takes its timeouts with it, which is meant so.",
  });
}

function operations(input: Omit<AlertInput, "class">): AlertRule {
  return alertRule({ ...input, class: "operations" });
}
