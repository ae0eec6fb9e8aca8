import type { CriterionName } from "./record.ts";
import { SEQUENTIAL } from "./sequential-test.ts";

/** One of the runbook's success criteria for a step, with the sample count that it needs. */
export interface Criterion {
  readonly name: CriterionName;
  /** PromQL for one number or none. `$provider` and `$window` (the time since the step began) are placeholders. */
  readonly expr: string;
  /** The number must stay below. */
  readonly limit: number;
  /** PromQL for the number of samples behind it, and the least number of them. */
  readonly samplesExpr: string;
  readonly samplesMin: number;
  /**
   * `limit`: fails from the limit on, with enough samples. `sequential`: fails only by the sequential test; above the limit it does not
   * succeed either. `requests`: counts good requests, and matters only before the step to 100 %.
   */
  readonly judge: "limit" | "sequential" | "requests";
  /** A single event fails it at once, however young the step is. */
  readonly atOnce?: boolean;
}

/** With fewer samples a p99 depends on two or three requests. */
const QUANTILE_SAMPLES_MIN = 300;

const OF = '{provider="$provider"}';
const REUSES = `scbe_nonce_reuse_count${OF}`;
const CHECKED = `sum(increase(scbe_gcm_attempts_total${OF}[$window]))`;
const FAILED = `sum(increase(scbe_gcm_failures_total${OF}[$window]))`;
const OPENED = 'scbe_envelope_openings_total{provider="$provider",phase="request",result="opened"}';

/**
 * All criteria. `increase` and `rate` tolerate restarts and counters that begin at 0. The window is the time since the step began, so the
 * step before does not count. Sums come before quotients and quantiles. `and` drops a value whose series has ended.
 *
 * `scripts/monitoring/thresholds.test.ts` compares the limits with those of the alerts and the dashboard.
 */
export const CRITERIA: readonly Criterion[] = [
  {
    name: "nonce_reuse",
    // A guard that started in the window may have restored its count: then nothing increased.
    expr: `sum(increase(${REUSES}[$window])) > 0 or sum(${REUSES} and on (job, instance) time() - process_start_time_seconds <= $seconds) > 0 or sum(increase(${REUSES}[$window]))`,
    // Between 0 and 1: `increase` extrapolates, so one reuse is not exactly 1.
    limit: 0.5,
    samplesExpr: `count(${REUSES})`,
    samplesMin: 1,
    judge: "limit",
    atOnce: true,
  },
  {
    name: "gcm_failure_share",
    expr: `${FAILED} / ${CHECKED} and count(scbe_gcm_attempts_total${OF})`,
    limit: SEQUENTIAL.p0,
    samplesExpr: CHECKED,
    samplesMin: 1,
    judge: "sequential",
  },
  p99("create_p99_ms", "scbe_envelope_create_ms", 25),
  p99("verify_p99_ms", "scbe_envelope_verify_ms", 25),
  p99("phase_skew_p99_ms", "scbe_phase_skew_ms", 1000),
  {
    name: "clean_requests",
    expr: `sum(increase(${OPENED}[$window]))`,
    limit: Number.MAX_SAFE_INTEGER,
    samplesExpr: `count(${OPENED})`,
    samplesMin: 1,
    judge: "requests",
  },
];

function p99(name: CriterionName, histogram: string, limit: number): Criterion {
  const rates = `sum by (le, provider) (rate(${histogram}_bucket${OF}[$window]))`;
  const count = `${histogram}_count${OF}`;
  return {
    name,
    expr: `sum(histogram_quantile(0.99, ${rates})) and count(${count})`,
    limit,
    samplesExpr: `sum(increase(${count}[$window]))`,
    samplesMin: QUANTILE_SAMPLES_MIN,
    judge: "limit",
  };
}

/** A criterion's expression for one provider and a window of whole seconds. */
export function fillIn(expr: string, provider: string, windowSeconds: number): string {
  return expr
    .replaceAll("$provider", provider)
    .replaceAll("$window", `${windowSeconds}s`)
    .replaceAll("$seconds", String(windowSeconds));
}
