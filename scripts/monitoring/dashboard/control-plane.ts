import { CHOSEN, type DashboardRow } from "./panel.ts";

/** The control document, and the verifiers that apply it. */
export const CONTROL_PLANE: DashboardRow = {
  title: "Control plane",
  panels: [
    {
      title: "Control document in force",
      says: "Its generation, which is the time of its creation. A line below the others: that instance does not have the newest one.",
      unit: "dateTimeAsIso",
      queries: [{ expr: "scbe_control_generation", legend: "{{job}} {{instance}}" }],
    },
    {
      title: "Verifiers",
      says: "As the leading controller sees them. behind: requests leases and holds another document. stale: requests no leases; it has ended in the last ten minutes, or is cut off.",
      unit: "short",
      queries: [{ expr: "sum by (state) (scbe_control_verifiers)", legend: "{{state}}" }],
    },
    {
      title: "Verifiers without a lease",
      says: "Reported by the verifiers. All at once: no controller leads. One: its link. A kill may not reach them.",
      unit: "short",
      queries: [{ expr: "sum by (job) (scbe_control_stale)", legend: "{{job}}" }],
      limits: { red: 1 },
    },
    {
      title: "Kill switch",
      says: "On: nothing of that provider is sealed. GET /audit has the person or alert that engaged it, and the reason.",
      unit: "bool_on_off",
      queries: [{ expr: `max by (provider) (scbe_kill_switch_engaged{${CHOSEN}})`, legend: "{{provider}}" }],
      limits: { red: 1 },
      now: true,
    },
    {
      title: "Sealed share",
      says: "From the flags, and so the step of a canary. The rest falls back if that is permitted, or is refused. Kills are not included.",
      unit: "percentunit",
      queries: [{ expr: `max by (provider) (scbe_sealed_share_ratio{${CHOSEN}})`, legend: "{{provider}}" }],
    },
    {
      title: "Decisions about canaries",
      says: "In an hour. Many holds: GET /canary has the criterion that it waits for.",
      unit: "short",
      queries: [
        {
          expr: `sum by (provider, verdict) (increase(scbe_canary_verdicts_total{${CHOSEN}}[1h]))`,
          legend: "{{provider}} {{verdict}}",
        },
      ],
    },
    {
      title: "Changes of the control document",
      says: "In an hour, by kind. The audit has each with its reason.",
      unit: "short",
      queries: [{ expr: "sum by (action) (increase(scbe_control_changes_total[1h]))", legend: "{{action}}" }],
    },
    {
      title: "Alerts received",
      says: "In an hour, by result. No watchdog: alerting is broken, and no canary is promoted.",
      unit: "short",
      queries: [{ expr: "sum by (result) (increase(scbe_rollback_alerts_total[1h]))", legend: "{{result}}" }],
    },
    {
      title: "Waiting to be stored or sent",
      says: "For minutes: JetStream is away (kills, audit), PagerDuty or Slack accepts nothing, or no trust scorer answers (overrides of trust).",
      unit: "short",
      queries: [
        { expr: "sum(scbe_control_unstored_kills)", legend: "kills" },
        { expr: "sum(scbe_audit_waiting)", legend: "audit" },
        { expr: "max by (to) (scbe_notices_waiting)", legend: "{{to}}" },
        { expr: "max(scbe_trust_words_waiting)", legend: "words about trust" },
      ],
      limits: { red: 1 },
    },
  ],
};
