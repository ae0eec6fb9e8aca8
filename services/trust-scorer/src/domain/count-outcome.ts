import { isExcludedBy, roundEvidence, type TellerTrust, TRUST_LIMIT } from "@scbe/contracts";
import type { TrustConfig } from "./trust-state.ts";

/** A provider that comes back is half trusted: three failures exclude it again, where it takes five of one that was never excluded. */
export const W_AFTER_EXCLUSION = TRUST_LIMIT / 2;

/** One outcome, or some alike; times in ms since the Unix epoch, by the stream's clock. */
export interface Outcome {
  /** Of each. */
  readonly weight: number;
  readonly count: number;
  readonly at: number;
  readonly latencyMs: number;
}

/**
 * A teller's row with one more outcome, or a run of successes, which comes to the same as one after the other. What was sent before the way back was open says
 * nothing of the provider as it is now: its timeouts, which come late, would exclude it again and again.
 */
export function countOutcome(row: TellerTrust, outcome: Outcome, config: TrustConfig): TellerTrust {
  const { weight, count, at, latencyMs } = outcome;
  if (weight === 0 || isExcludedBy(row, at - latencyMs)) return row;
  const counted = { ...row, samples: row.samples + count, w: addEvidence(row.w, weight * count) };
  return counted.w < TRUST_LIMIT ? counted : exclude(counted, at, config);
}

/** CUSUM: a good past is no credit, so that a provider that turns bad is found as fast on the millionth request as on the first. */
export function addEvidence(w: number, weight: number): number {
  return Math.max(0, roundEvidence(w + weight));
}

function exclude(row: TellerTrust, at: number, config: TrustConfig): TellerTrust {
  const exclusions = row.exclusions + 1;
  const lastsMs = Math.min(config.exclusionMs * exclusions, config.exclusionMsMax);
  return { ...row, w: W_AFTER_EXCLUSION, exclusions, exclusion: { since: at, until: at + lastsMs } };
}
