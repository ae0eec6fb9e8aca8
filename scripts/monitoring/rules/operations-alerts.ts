import { JOBS } from "../jobs.ts";
import { promDuration } from "../prom-duration.ts";
import type { Thresholds } from "../thresholds.ts";
import { clockAlerts } from "./clock-alerts.ts";
import { controlAlerts } from "./control-alerts.ts";
import { type AlertInput, type AlertRule, alertRule, lines, type RuleGroup } from "./rule.ts";
import { trustAlerts } from "./trust-alerts.ts";

/** What would else page nobody: parts that are away, and the alerting itself. */
export function operationsAlerts(thresholds: Thresholds): RuleGroup {
  return {
    name: "scbe_operations",
    rules: [
      watchdog(),
      ...targetAbsent(thresholds),
      replayStoreAway(thresholds),
      epochChanged(thresholds),
      kmsUnreachable(thresholds),
      allOpensRefused(thresholds),
      ...clockAlerts(thresholds),
      ...controlAlerts(thresholds),
      ...trustAlerts(thresholds),
    ],
  };
}

function watchdog(): AlertRule {
  return alertRule({
    alert: "Watchdog",
    expr: "vector(1)",
    forMs: 0,
    class: "watchdog",
    severity: "none",
    summary: "Alerting works",
    description: "Always fires. Where it stops arriving, no alert would arrive either.",
    runbook: "Nothing to do while it fires.",
  });
}

function targetAbsent({ durations }: Thresholds): readonly AlertRule[] {
  const forMs = durations.targetAbsentForMs;
  return [
    operations({
      alert: "SCBETargetAbsent",
      expr: lines(
        `sum by (job) (up{job=~"${JOBS.join("|")}"}) == 0`,
        ...JOBS.flatMap((job) => ["or", `absent(up{job="${job}"})`]),
      ),
      forMs,
      severity: "critical",
      summary: "No instance of an SCBE part is scraped",
      description: "No {{ $labels.job }} answers Prometheus: its alerts are blind",
      runbook:
        "Is the part running, and does prometheus.yml have its address? Its own /readyz says the rest.",
    }),
    operations({
      alert: "SCBETargetAbsent",
      expr: `up{job=~"${JOBS.join("|")}"} == 0`,
      forMs,
      severity: "warning",
      summary: "An instance of an SCBE part is not scraped",
      description: "{{ $labels.job }} at {{ $labels.instance }} does not answer Prometheus",
      runbook: "Prometheus's page of targets has the error. The instance's own /readyz and log say the rest.",
    }),
  ];
}

function replayStoreAway({ durations }: Thresholds): AlertRule {
  return operations({
    alert: "SCBEReplayStoreAway",
    expr: 'scbe_dependency_up{job="replay-guard",dependency="replay store"} == 0',
    forMs: durations.storeAwayForMs,
    severity: "critical",
    summary: "A replay guard has no store",
    description: "The replay guard at {{ $labels.instance }} admits nothing: its Redis is away or not usable",
    runbook:
      "/readyz of that guard has the reason. With no guard left, every request is refused until Redis is back; then a new epoch starts by itself.",
  });
}

function epochChanged({ durations }: Thresholds): AlertRule {
  const { epochChangedMemoryMs, epochChangedTellMs } = durations;
  const before = `[${promDuration(epochChangedMemoryMs)}] offset ${promDuration(epochChangedTellMs)}`;
  return operations({
    alert: "SCBEEpochChanged",
    // Without a former one that was in force there is no change: a new deployment has its first epoch.
    expr: lines(
      "max(scbe_replay_epoch_generation)",
      `> (max(max_over_time(scbe_replay_epoch_generation${before})) > 0)`,
    ),
    forMs: 0,
    severity: "warning",
    summary: "A new replay epoch has started",
    description:
      'The epoch now in force is generation {{ $value | printf "%.0f" }}; requests in flight cost one fresh envelope each',
    runbook:
      "scbe_replay_epochs_started_total{why} and the guard's log say why. Redis restarted, failed over or was cleaned? More than now and then, it loses what it must keep.",
  });
}

function kmsUnreachable({ durations }: Thresholds): AlertRule {
  return operations({
    alert: "SCBEKMSUnreachable",
    expr: "scbe_keyring_kms_up == 0",
    forMs: durations.kmsAwayForMs,
    severity: "critical",
    summary: "The keyring cannot reach KMS",
    description: "KMS does not answer the keyring at {{ $labels.instance }}, or refuses it",
    runbook:
      "Keys that are loaded go on to their age limit: scbe_keyring_key_age_seconds tells how long that is. Check KMS itself, the keyring's credentials and its way there. Do not restart keyrings: they would start without keys.",
  });
}

function allOpensRefused({ limits, durations }: Thresholds): AlertRule {
  const window = promDuration(durations.allRefusedWindowMs);
  const openings = (matchers: string) =>
    `sum by (job, instance, provider, phase) (increase(scbe_envelope_openings_total${matchers}[${window}]))`;
  return operations({
    alert: "SCBEAllOpensRefused",
    expr: lines(
      `${openings("")} >= ${limits.allRefusedOpeningsMin}`,
      "unless",
      `${openings('{result="opened"}')} > 0`,
    ),
    forMs: durations.allRefusedForMs,
    severity: "critical",
    summary: "A process refuses every envelope",
    description:
      '{{ $labels.job }} at {{ $labels.instance }} has refused all of {{ $value | printf "%.0f" }} {{ $labels.phase }}s of provider {{ $labels.provider }}',
    runbook:
      "scbe_envelope_openings_total by result has the reason. not_admitted: the replay guards; time: this instance's clock; unknown_key: the keyring; commitment or tag where there is no traffic: forgeries.",
  });
}

function operations(input: Omit<AlertInput, "class">): AlertRule {
  return alertRule({ ...input, class: "operations" });
}
