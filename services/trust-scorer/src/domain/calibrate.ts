import { type CalibrationEvent, type ProviderTrust, TRUST_LIMIT } from "@scbe/contracts";
import { roundEvidence } from "./count-outcome.ts";

/**
 * With the quality that a person gives it. 0 takes it out until a person says otherwise; anything above brings it back at once, in full, and forgives
 * former exclusions. A latch stays as it is.
 */
export function calibrate(
  trust: ProviderTrust,
  { score, reason, by }: CalibrationEvent,
  at: number,
): ProviderTrust {
  const w = roundEvidence((1 - score) * TRUST_LIMIT);
  const calibrated = { ...trust, w, calibration: { score, reason, by, at } };
  if (w >= TRUST_LIMIT) return { ...calibrated, exclusion: { since: at, until: null } };
  return { ...calibrated, exclusions: 0, exclusion: null };
}
