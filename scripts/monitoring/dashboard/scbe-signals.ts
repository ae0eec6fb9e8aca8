import { promDuration } from "../prom-duration.ts";
import type { Thresholds } from "../thresholds.ts";
import { chosenQuantile, type DashboardRow, type Panel } from "./panel.ts";

/** Alerts, clocks and noise. */
export function scbeSignals(thresholds: Thresholds): DashboardRow {
  const { limits } = thresholds;
  return {
    title: "SCBE signals",
    panels: [
      {
        title: "Firing alerts",
        says: "The Watchdog is always among them; if it is missing, no alert arrives.",
        unit: "none",
        queries: [
          {
            expr: 'count by (alertname, severity) (ALERTS{alertstate="firing"})',
            legend: "{{severity}} {{alertname}}",
          },
        ],
        now: true,
      },
      ...phaseSkew(thresholds),
      {
        title: "Clock offset",
        says: "Each instance's clock minus the keyring's. A line leaves 0: look at NTP there. All leave 0 alike: look at the keyring's NTP. All near 0, and a provider's skew is not: SCBEProviderSkew names it.",
        unit: "ms",
        queries: [{ expr: "scbe_clock_offset_ms", legend: "{{job}} {{instance}}" }],
        limits: { red: limits.clockOffsetMaxMs },
      },
      {
        title: "Fail-to-noise",
        says: "Requests a second that were answered with noise. Openings by result, above, has the reasons.",
        unit: "ops",
        queries: [
          { expr: "rate(scbe_fail_to_noise_count[5m])", legend: "{{job}} {{instance}} {{provider}}" },
        ],
      },
    ],
  };
}

function phaseSkew({ limits, durations }: Thresholds): readonly Panel[] {
  const skewLines = { yellow: limits.canarySkewP99MaxMs, red: limits.skewP99MaxMs };
  return [
    {
      title: "Phase skew p99, each instance",
      says: "Between the clocks of the sealer and the opener. One instance: its clock. All: the keyring's clock, or a slow network.",
      unit: "ms",
      queries: [
        {
          expr: "histogram_quantile(0.99, rate(scbe_phase_skew_ms_bucket[10m]))",
          legend: "{{job}} {{instance}} {{phase}} {{provider}}",
        },
      ],
      limits: skewLines,
    },
    {
      title: "Phase skew p99, all instances",
      says: "The measurement of SCBEPhaseSkew: above the red line for ten minutes rolls back, above the yellow one holds a canary.",
      unit: "ms",
      queries: [
        {
          expr: chosenQuantile(0.99, "scbe_phase_skew_ms", "provider", promDuration(durations.skewWindowMs)),
          legend: "{{provider}}",
        },
      ],
      limits: skewLines,
    },
  ];
}
