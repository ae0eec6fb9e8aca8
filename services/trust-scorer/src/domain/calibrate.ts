import { type CalibrationEvent, type ProviderTrust, startingEvidence } from "@scbe/contracts";

/**
 * With the quality that a person gives it, for all tellers. 0 takes it out until a person says otherwise; anything above brings it back at once, in full, and
 * forgives former exclusions. Latches stay as they are.
 */
export function calibrate(
  trust: ProviderTrust,
  { score, reason, by }: CalibrationEvent,
  at: number,
): ProviderTrust {
  const calibrated = { ...trust, calibration: { score, reason, by, at } };
  if (score === 0) return calibrated;
  const w = startingEvidence(calibrated);
  const rows = Object.entries(trust.tellers).map(
    ([teller, row]) => [teller, { ...row, w, exclusions: 0, exclusion: null }] as const,
  );
  return { ...calibrated, tellers: Object.fromEntries(rows) };
}
