/** What a canary's step is measured by: the runbook's success criteria, each with what it stands on. */
export interface Criterion {
  readonly name: CriterionName;
  /** PromQL that gives one number, or nothing. `$provider` and `$window` (the step's own time) are filled in. */
  readonly expr: string;
  /** It has to stay below. */
  readonly limit: number;
  /** PromQL of how much the number stands on, and how much that has to be. */
  readonly samplesExpr: string;
  readonly samplesMin: number;
  /**
   * `limit`: broken from the limit on, where it stands on enough. `sequential`: broken only where the sequential test says so; above
   * the limit it is not good enough either. `requests`: counts what is known to be good, and is asked for before 100 % alone.
   */
  readonly judge: "limit" | "sequential" | "requests";
  /** Each single one of it is real: there is no waiting until the step has some length. */
  readonly atOnce?: boolean;
}

export const CRITERION_NAMES = [
  "nonce_reuse",
  "gcm_failure_share",
  "create_p99_ms",
  "verify_p99_ms",
  "phase_skew_p99_ms",
  "clean_requests",
] as const;
export type CriterionName = (typeof CRITERION_NAMES)[number];

/** A p99 of fewer is a matter of two or three requests. */
const QUANTILE_SAMPLES_MIN = 300;

const OF = '{provider="$provider"}';
const REUSES = `scbe_nonce_reuse_count${OF}`;
const CHECKED = `sum(increase(scbe_gcm_attempts_total${OF}[$window]))`;
const FAILED = `sum(increase(scbe_gcm_failures_total${OF}[$window]))`;
const OPENED = 'scbe_envelope_openings_total{provider="$provider",phase="request",result="opened"}';

/**
 * `increase` and `rate` forgive restarts and counters that begin at 0; the window is the step's own time, so nothing of the step before
 * counts. Sums come before quotients and quantiles. `and` makes a number that was, but is no more, nothing at all.
 */
export const CRITERIA: readonly Criterion[] = [
  {
    name: "nonce_reuse",
    // A guard that was started meanwhile may have brought its count along: nothing increased then.
    expr: `sum(increase(${REUSES}[$window])) > 0 or sum(${REUSES} and on (job, instance) time() - process_start_time_seconds <= $seconds) > 0 or sum(increase(${REUSES}[$window]))`,
    // Half a reuse: a whole one, however it was computed.
    limit: 0.5,
    samplesExpr: `count(${REUSES})`,
    samplesMin: 1,
    judge: "limit",
    atOnce: true,
  },
  {
    name: "gcm_failure_share",
    expr: `${FAILED} / ${CHECKED} and count(scbe_gcm_attempts_total${OF})`,
    limit: 0.001,
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
