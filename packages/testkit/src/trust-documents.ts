import { randomUUID } from "node:crypto";
import {
  PROBATION_SHARES,
  type ProviderTrust,
  type TellerTrust,
  TRUST_LIMIT,
  UNKNOWN_PROVIDER,
} from "@scbe/contracts";

const HOUR_MS = 3_600_000;
const ROW: TellerTrust = { w: 0, samples: 9, exclusions: 0, exclusion: null, latch: null, at: 1 };

/** Trust by the report of one teller of two, below the quorum. */
export function toldBy(teller: string, row: Partial<TellerTrust>): ProviderTrust {
  return { ...UNKNOWN_PROVIDER, quorum: { needs: 2, of: 2 }, tellers: { [teller]: { ...ROW, ...row } } };
}

/** Trust by the reports of the quorum. */
function reported(row: Partial<TellerTrust>): ProviderTrust {
  return { ...toldBy("a", row), tellers: { a: { ...ROW, ...row }, b: { ...ROW, ...row } } };
}

/** A row that excludes the provider for its quality for another hour. */
export function out(): Partial<TellerTrust> {
  const since = Date.now() - 1000;
  return { w: TRUST_LIMIT / 2, exclusions: 1, exclusion: { since, until: since + HOUR_MS } };
}

/** Excluded for its quality, by the quorum. */
export function excluded(): ProviderTrust {
  return reported(out());
}

/** On probation, in the middle of the step with this share. */
export function onProbation(share: (typeof PROBATION_SHARES)[number]): ProviderTrust {
  const until = Date.now() - (PROBATION_SHARES.indexOf(share) + 0.5) * HOUR_MS;
  const exclusion = { since: Math.round(until) - HOUR_MS, until: Math.round(until) };
  return reported({ w: TRUST_LIMIT / 2, exclusions: 1, exclusion });
}

/** A row with an integrity failure that one teller reported. */
export function ownLatch(): Partial<TellerTrust> {
  return { latch: { since: Date.now(), event: randomUUID(), n: 1 } };
}

/** Latched for its integrity, for every caller, until an administrator clears it. */
export function latched(): ProviderTrust {
  const latch = { since: Date.now(), event: randomUUID(), n: 2 };
  return { ...UNKNOWN_PROVIDER, latch: { ...latch, cause: "bound_response_fails", tellers: ["a", "b"] } };
}
