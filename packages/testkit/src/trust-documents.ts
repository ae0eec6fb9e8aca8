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

/** As one teller of two has it: nothing of it holds for all. */
export function toldBy(teller: string, row: Partial<TellerTrust>): ProviderTrust {
  return { ...UNKNOWN_PROVIDER, quorum: { needs: 2, of: 2 }, tellers: { [teller]: { ...ROW, ...row } } };
}

/** As the quorum of tellers has it. */
function told(row: Partial<TellerTrust>): ProviderTrust {
  return { ...toldBy("a", row), tellers: { a: { ...ROW, ...row }, b: { ...ROW, ...row } } };
}

/** Out for its quality, for an hour yet. */
export function out(): Partial<TellerTrust> {
  const since = Date.now() - 1000;
  return { w: TRUST_LIMIT / 2, exclusions: 1, exclusion: { since, until: since + HOUR_MS } };
}

/** Out for its quality, for all. */
export function excluded(): ProviderTrust {
  return told(out());
}

/** On its way back, in the middle of the step that gives it this share. */
export function onProbation(share: (typeof PROBATION_SHARES)[number]): ProviderTrust {
  const until = Date.now() - (PROBATION_SHARES.indexOf(share) + 0.5) * HOUR_MS;
  const exclusion = { since: Math.round(until) - HOUR_MS, until: Math.round(until) };
  return told({ w: TRUST_LIMIT / 2, exclusions: 1, exclusion });
}

/** An integrity failure that one teller saw. */
export function ownLatch(): Partial<TellerTrust> {
  return { latch: { since: Date.now(), event: randomUUID(), n: 1 } };
}

/** Out for its integrity, for all, until a person clears it. */
export function latched(): ProviderTrust {
  const latch = { since: Date.now(), event: randomUUID(), n: 2 };
  return { ...UNKNOWN_PROVIDER, latch: { ...latch, cause: "bound_response_fails", tellers: ["a", "b"] } };
}
