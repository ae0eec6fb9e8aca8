import { CHOSEN, type DashboardRow } from "./panel.ts";

/** What is switched on, for how much, and who obeys it. */
export const CONTROL_PLANE: DashboardRow = {
  title: "Control plane",
  panels: [
    {
      title: "Control document obeyed",
      says: "Its generation, which is the time that it was made. A line below the others: that instance has not taken the newest one.",
      unit: "dateTimeAsIso",
      queries: [{ expr: "scbe_control_generation", legend: "{{job}} {{instance}}" }],
    },
    {
      title: "Verifiers",
      says: "As the leading controller hears them. behind: asks, and holds another document. stale: asks no more; it has ended in the last ten minutes, or is cut off.",
      unit: "short",
      queries: [{ expr: "sum by (state) (scbe_control_verifiers)", legend: "{{state}}" }],
    },
    {
      title: "Verifiers without a lease",
      says: "By their own word. All at once: no controller leads. One: its link. A kill may not reach them.",
      unit: "short",
      queries: [{ expr: "sum by (job) (scbe_control_stale)", legend: "{{job}}" }],
      limits: { red: 1 },
    },
    {
      title: "Kill switch",
      says: "On: nothing of that provider is sealed. GET /audit says who or which alert engaged it, and why.",
      unit: "bool_on_off",
      queries: [{ expr: `max by (provider) (scbe_kill_switch_engaged{${CHOSEN}})`, legend: "{{provider}}" }],
      limits: { red: 1 },
      now: true,
    },
    {
      title: "Share that is sealed",
      says: "What the flags say, and so the step of a canary. The rest falls back where that is permitted, or is refused. A kill is not in it.",
      unit: "percentunit",
      queries: [{ expr: `max by (provider) (scbe_sealed_share_ratio{${CHOSEN}})`, legend: "{{provider}}" }],
    },
    {
      title: "Decisions about canaries",
      says: "In an hour. hold again and again: GET /canary says which criterion it waits for.",
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
      says: "In an hour, by what they were about. Each stands in the audit with its reason.",
      unit: "short",
      queries: [{ expr: "sum by (action) (increase(scbe_control_changes_total[1h]))", legend: "{{action}}" }],
    },
    {
      title: "Alerts told",
      says: "In an hour, by what was done. No watchdog: alerting is broken, and no canary is promoted.",
      unit: "short",
      queries: [{ expr: "sum by (result) (increase(scbe_rollback_alerts_total[1h]))", legend: "{{result}}" }],
    },
    {
      title: "Waiting to be stored or told",
      says: "For minutes: JetStream is away (kills, audit), PagerDuty or Slack takes nothing, or no trust scorer answers (words about trust).",
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
