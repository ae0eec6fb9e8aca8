import { promDuration } from "../prom-duration.ts";
import type { Thresholds } from "../thresholds.ts";
import { lines, type RecordingRule, type RuleGroup } from "./rule.ts";
import { type EnvelopeHistogram, gcmAttempts, gcmFailureShare, quantile, samples } from "./slis.ts";

/**
 * What may be decided by: each value exists only where it stands on samples enough, and its number of samples beside it
 * always. What is inconclusive is absent, never NaN.
 */
export function recordings(thresholds: Thresholds): RuleGroup {
  return { name: "scbe_recordings", rules: slis(thresholds).flatMap(record) };
}

/** A recorded measurement by provider. */
export interface RecordedSli {
  /** The series' name. */
  readonly value: string;
  /** The name of the series that counts its samples. */
  readonly samples: string;
}

/** The names of everything recorded, as the dashboard and the canary read them. */
export function recordedSlis(thresholds: Thresholds): readonly RecordedSli[] {
  return slis(thresholds).map(({ value, samples }) => ({ value, samples }));
}

interface Sli extends RecordedSli {
  readonly valueExpr: string;
  readonly samplesExpr: string;
  readonly samplesMin: number;
}

function slis({ limits, durations }: Thresholds): readonly Sli[] {
  const { gcmWindowMs, verifyWindowMs, skewWindowMs } = durations;
  const { verifySamplesMin, skewSamplesMin } = limits;
  const gcmWindow = promDuration(gcmWindowMs);
  return [
    {
      value: `provider:scbe_gcm_failures:share_${gcmWindow}`,
      samples: `provider:scbe_gcm_attempts:increase_${gcmWindow}`,
      valueExpr: gcmFailureShare(gcmWindowMs),
      samplesExpr: gcmAttempts(gcmWindowMs),
      samplesMin: limits.gcmAttemptsMin,
    },
    p99("scbe_envelope_create_ms", verifyWindowMs, verifySamplesMin),
    p99("scbe_envelope_verify_ms", verifyWindowMs, verifySamplesMin),
    p99("scbe_phase_skew_ms", skewWindowMs, skewSamplesMin),
  ];
}

function p99(histogram: EnvelopeHistogram, windowMs: number, samplesMin: number): Sli {
  const window = promDuration(windowMs);
  return {
    value: `provider:${histogram}:p99_${window}`,
    samples: `provider:${histogram}:samples_${window}`,
    valueExpr: quantile(0.99, histogram, windowMs),
    samplesExpr: samples(histogram, windowMs),
    samplesMin,
  };
}

/** The samples first: rules of a group run in order, and the value asks for them. */
function record({ value, samples, valueExpr, samplesExpr, samplesMin }: Sli): readonly RecordingRule[] {
  return [
    { record: samples, expr: samplesExpr },
    { record: value, expr: lines(valueExpr, "and", `${samples} >= ${samplesMin}`) },
  ];
}
