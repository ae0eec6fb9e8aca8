import { promDuration } from "../prom-duration.ts";
import { recordedSlis } from "../render-rules.ts";
import type { Thresholds } from "../thresholds.ts";
import { CHOSEN, chosenQuantile, type DashboardRow, type Panel } from "./panel.ts";

/** The time of sealing and opening. */
export function envelopePerformance(thresholds: Thresholds): DashboardRow {
  return {
    title: "Envelope performance",
    panels: [...byInstance(thresholds), ...byProvider(thresholds), samples(thresholds), ...SESSIONS],
  };
}

function byInstance({ limits }: Thresholds): readonly Panel[] {
  const { canaryEnvelopeP99MaxMs: yellow, verifyP99MaxMs: red } = limits;
  return [
    {
      title: "Creation, each instance",
      says: "p95 and p99 of sealing an envelope. A single instance above the line: look at its event loop and CPU.",
      unit: "ms",
      queries: percentiles("scbe_envelope_create_ms"),
      limits: { yellow },
    },
    {
      title: "Verification, each instance",
      says: "p95 and p99 of opening an envelope, of those whose tag verified. An idle instance has no line, or the line of a single request.",
      unit: "ms",
      queries: percentiles("scbe_envelope_verify_ms"),
      limits: { yellow, red },
    },
  ];
}

/** The windows of the runbook. */
function percentiles(histogram: string): Panel["queries"] {
  return [0.95, 0.99].map((share) => ({
    expr: `histogram_quantile(${share}, rate(${histogram}_bucket[5m]))`,
    legend: `p${share * 100} {{job}} {{instance}} {{phase}} {{provider}}`,
  }));
}

function byProvider({ limits, durations }: Thresholds): readonly Panel[] {
  const window = promDuration(durations.verifyWindowMs);
  const p99 = (histogram: string) => [
    { expr: chosenQuantile(0.99, histogram, "provider", window), legend: "{{provider}}" },
  ];
  return [
    {
      title: "Creation p99, all instances",
      says: "The canary's criterion. Above the yellow line: hold the canary.",
      unit: "ms",
      queries: p99("scbe_envelope_create_ms"),
      limits: { yellow: limits.canaryEnvelopeP99MaxMs },
    },
    {
      title: "Verification p99, all instances",
      says: "The measurement of SCBEHighLatency: above the red line for five minutes rolls back. Verification waits for no other process: look at CPU, event loops, and the size of bodies.",
      unit: "ms",
      queries: p99("scbe_envelope_verify_ms"),
      limits: { yellow: limits.canaryEnvelopeP99MaxMs, red: limits.verifyP99MaxMs },
    },
  ];
}

function samples(thresholds: Thresholds): Panel {
  return {
    title: "Samples of each decision",
    says: "The number of observations of each recorded measurement in its window. With too few it is inconclusive: no alert fires, and no canary is promoted.",
    unit: "short",
    queries: recordedSlis(thresholds).map(({ samples: name }) => ({
      expr: `${name}{${CHOSEN}}`,
      legend: `${name.split(":")[1]} {{provider}}`,
    })),
    limits: { redBelow: thresholds.limits.gcmAttemptsMin },
  };
}

const SESSIONS: readonly Panel[] = [
  {
    title: "Sealing sessions started",
    says: "By the end of the session before, in five minutes. Many by clock: a wall clock jumps. Many by epoch: Redis loses its data. Many by counter: SCBE_NONCE_COUNTER_LIMIT is low.",
    unit: "short",
    queries: [
      {
        expr: `sum by (why) (increase(scbe_envelope_sessions_started_total{${CHOSEN}}[5m]))`,
        legend: "{{why}}",
      },
    ],
  },
  {
    title: "Fullest sealing session",
    says: "The used share of the fullest session's budget; at 100 % a fresh session takes over. Nothing to do unless a line passes 100 %.",
    unit: "percentunit",
    queries: [
      {
        expr: `max by (phase, budget) (scbe_envelope_session_used_ratio{${CHOSEN}})`,
        legend: "{{phase}} {{budget}}",
      },
    ],
    limits: { red: 1.01 },
  },
];
