import {
  type CalibrationEvent,
  isExcludedBy,
  type OutcomeResult,
  type ProviderTrust,
  roundEvidence,
  startingEvidence,
  type TellerTrust,
  TRUST_LIMIT,
} from "@scbe/contracts";
import type { TrustConfig } from "./trust-state.ts";

/**
 * The log-likelihood ratios of a provider that fails 0.5 % of its requests against one that fails 0.1 %: ln(p1 / p0) for a failure,
 * ln((1 - p1) / (1 - p0)) for a success. The canary uses the same two.
 */
const FAILURE = 1.609;
const SUCCESS = -0.00401;
const NOTHING = 0;

/** How much evidence against its quality each outcome is. */
export const WEIGHTS: Readonly<Record<OutcomeResult, number>> = {
  ok: SUCCESS,
  provider_error: FAILURE,
  timeout: FAILURE,
  // Gateways leave while a dependency of ours is away: one outage of Redis would exclude all providers.
  no_responders: NOTHING,
  // Load is not quality, and an exclusion would move the load to the next provider.
  busy: NOTHING,
  // Any process on the bus can answer with noise, and a failover of Redis makes all gateways do so.
  refused: NOTHING,
  refused_again: FAILURE,
  empty: FAILURE,
  media_type: FAILURE,
  schema: FAILURE,
  size: FAILURE,
  latency: FAILURE,
};

/** The evidence after an exclusion, half of the limit: three failures exclude again, where the first exclusion takes five. */
export const W_AFTER_EXCLUSION = TRUST_LIMIT / 2;

/** One outcome, or a run of equal ones; times in ms since the Unix epoch, by the stream's clock. */
export interface Outcome {
  /** Of each. */
  readonly weight: number;
  readonly count: number;
  readonly at: number;
  readonly latencyMs: number;
}

/**
 * A teller's row with one more outcome, or a run of successes, which equals the successes one by one. An outcome of a request that was sent
 * before the end of the exclusion is ignored: late timeouts would otherwise exclude the provider again and again.
 */
export function countOutcome(row: TellerTrust, outcome: Outcome, config: TrustConfig): TellerTrust {
  const { weight, count, at, latencyMs } = outcome;
  if (weight === 0 || isExcludedBy(row, at - latencyMs)) return row;
  const counted = { ...row, samples: row.samples + count, w: addEvidence(row.w, weight * count) };
  return counted.w < TRUST_LIMIT ? counted : exclude(counted, at, config);
}

/** CUSUM: evidence never falls below 0, so a provider that turns bad is found as fast on the millionth request as on the first. */
export function addEvidence(w: number, weight: number): number {
  return Math.max(0, roundEvidence(w + weight));
}

function exclude(row: TellerTrust, at: number, config: TrustConfig): TellerTrust {
  const exclusions = row.exclusions + 1;
  const lastsMs = Math.min(config.exclusionMs * exclusions, config.exclusionMsMax);
  return { ...row, w: W_AFTER_EXCLUSION, exclusions, exclusion: { since: at, until: at + lastsMs } };
}

/**
 * Sets the quality of a provider for all tellers, by an operator. 0 excludes it until the next calibration; a higher score restores it at
 * once, in full, and forgets its exclusions. Latches do not change.
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
