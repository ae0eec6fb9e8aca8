import type { Thresholds } from "../thresholds.ts";
import { CHOSEN, type DashboardRow } from "./panel.ts";

/** Trust in each provider. Only the scorer that leads publishes it, so that sums and maxima are over one scorer. */
export function trust({ limits }: Thresholds): DashboardRow {
  return {
    title: "Trust",
    panels: [
      {
        title: "Trust",
        says: "Average and by provider; 0 while a provider is excluded or latched. Average below the line for five minutes: isolate the provider, then look at its recent answers.",
        unit: "percentunit",
        queries: [
          { expr: "scbe_trust_score_avg", legend: "average" },
          { expr: 'scbe_trust_score{provider="openai"}', legend: "{{provider}}" },
          { expr: `scbe_trust_score{${CHOSEN},provider!="openai"}`, legend: "{{provider}}" },
        ],
        limits: { redBelow: limits.trustAverageMin },
      },
      {
        title: "Excluded for quality",
        says: "On: it comes after all other candidates. It comes back by itself, step by step; often on: look at its answers.",
        unit: "bool_on_off",
        queries: [{ expr: `max by (provider) (scbe_trust_excluded{${CHOSEN}})`, legend: "{{provider}}" }],
        limits: { red: 1 },
        now: true,
      },
      {
        title: "Latched for integrity",
        says: "On: no request is sent to it, and no response of it is accepted, until a person clears it. GET /metrics/scbe/trust-scores has the event.",
        unit: "bool_on_off",
        queries: [{ expr: `max by (provider) (scbe_trust_latched{${CHOSEN}})`, legend: "{{provider}}" }],
        limits: { red: 1 },
        now: true,
      },
      {
        title: "Tellers against it",
        says: "Tellers that exclude or latch it by their own reports. Two of them, or the only one, exclude it for all; GET /metrics/scbe/trust-scores names them.",
        unit: "short",
        queries: [
          {
            expr: `max by (provider) (scbe_trust_tellers_excluding{${CHOSEN}})`,
            legend: "{{provider}}: exclude",
          },
          {
            expr: `max by (provider) (scbe_trust_tellers_latching{${CHOSEN}})`,
            legend: "{{provider}}: latch",
          },
        ],
        now: true,
      },
      {
        title: "Outcomes that trust counts",
        says: "Since the state began. A flat line: the provider gets no requests, or its clients' reports do not arrive.",
        unit: "short",
        queries: [{ expr: `max by (provider) (scbe_trust_samples{${CHOSEN}})`, legend: "{{provider}}" }],
      },
      {
        title: "Leading scorer",
        says: "1: leads. None: trust does not change, and no new latch is set; look at the scorers' /readyz.",
        unit: "short",
        queries: [{ expr: "scbe_trust_leading", legend: "{{instance}}" }],
      },
      {
        title: "Trust events read",
        says: "A second, by result. bad: a user publishes malformed messages. Lag: waiting messages; it grows when the scorer has no CPU, or its bucket is away.",
        unit: "short",
        queries: [
          { expr: "sum by (result) (rate(scbe_trust_events_total[5m]))", legend: "{{result}}" },
          { expr: "max(scbe_trust_stream_lag)", legend: "lag" },
        ],
        limits: { red: limits.trustLagMax },
      },
    ],
  };
}
