import { randomUUID } from "node:crypto";
import { PROBATION_SHARES, type ProviderTrust, TRUST_LIMIT, UNKNOWN_PROVIDER } from "@scbe/contracts";

const HOUR_MS = 3_600_000;

/** Out for its quality, for an hour yet. */
export function excluded(): ProviderTrust {
  const since = Date.now() - 1000;
  return { ...UNKNOWN_PROVIDER, w: TRUST_LIMIT, exclusions: 1, exclusion: { since, until: since + HOUR_MS } };
}

/** On its way back, in the middle of the step that gives it this share. */
export function onProbation(share: (typeof PROBATION_SHARES)[number]): ProviderTrust {
  const until = Date.now() - (PROBATION_SHARES.indexOf(share) + 0.5) * HOUR_MS;
  const exclusion = { since: Math.round(until) - HOUR_MS, until: Math.round(until) };
  return { ...UNKNOWN_PROVIDER, w: TRUST_LIMIT / 2, exclusions: 1, exclusion };
}

/** Out for its integrity, until a person clears it. */
export function latched(): ProviderTrust {
  const latch = { cause: "bound_response_fails", since: Date.now(), event: randomUUID() } as const;
  return { ...UNKNOWN_PROVIDER, latch };
}
