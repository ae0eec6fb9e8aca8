import { isExcluded, type ProviderTrust, TRUST_LIMIT } from "@scbe/contracts";
import type { TrustConfig } from "./trust-state.ts";

/** Who comes back is half trusted: three failures exclude it again, where it takes five of who was never excluded. */
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
 * With one more outcome, or a run of successes, which comes to the same as one after the other. What was sent before the way back was open says
 * nothing of the provider as it is now: its timeouts, which come late, would exclude it again and again.
 */
export function countOutcome(trust: ProviderTrust, outcome: Outcome, config: TrustConfig): ProviderTrust {
  const { weight, count, at, latencyMs } = outcome;
  if (weight === 0 || isExcluded(trust, at - latencyMs)) return trust;
  const counted = { ...trust, samples: trust.samples + count, w: addEvidence(trust.w, weight * count) };
  return counted.w < TRUST_LIMIT ? counted : exclude(counted, at, config);
}

/** CUSUM: a good past is no credit, so that who turns bad is found as fast on the millionth request as on the first. */
export function addEvidence(w: number, weight: number): number {
  return Math.max(0, roundEvidence(w + weight));
}

/** Evidence is counted in hundred-thousandths, as the weights are: sums of it are exact, whatever they are put together from. */
export function roundEvidence(w: number): number {
  return Math.round(w * 1e5) / 1e5;
}

function exclude(trust: ProviderTrust, at: number, config: TrustConfig): ProviderTrust {
  const exclusions = trust.exclusions + 1;
  const lastsMs = Math.min(config.exclusionMs * exclusions, config.exclusionMsMax);
  return { ...trust, w: W_AFTER_EXCLUSION, exclusions, exclusion: { since: at, until: at + lastsMs } };
}
