import { exclusionForAll, type ProviderTrust, type TrustDocument } from "@scbe/contracts";

/** A latch or an exclusion that came into force for all. */
export interface TrustInForce {
  /** Stays the same as long as the latch or exclusion does. */
  readonly id: string;
  readonly provider: string;
  /** A sentence that names the tellers. */
  readonly says: string;
  /** ms since the Unix epoch */
  readonly since: number;
  /** undefined: until a person clears it */
  readonly until: number | undefined;
}

/** Every latch in force for all, and every exclusion by a quorum that the document still has, also an ended one. */
export function trustInForce({ providers }: TrustDocument): TrustInForce[] {
  return Object.entries(providers).flatMap(([provider, trust]) => [
    ...latchIn(provider, trust),
    ...exclusionsIn(provider, trust),
  ]);
}

function latchIn(provider: string, { latch }: ProviderTrust): TrustInForce[] {
  if (latch === null) return [];
  const { event, cause, tellers, since } = latch;
  const by = tellers.length === 0 ? "a replay guard" : tellers.join(", ");
  // Newer events of the same latch do not change it.
  const id = `latch ${provider} ${since}`;
  return [
    { id, provider, since, until: undefined, says: `latched for all: ${cause} by ${by}, event ${event}` },
  ];
}

/** By the begin of each: after the first has ended, a late reader may find another one. */
function exclusionsIn(provider: string, trust: ProviderTrust): TrustInForce[] {
  const beginnings = Object.values(trust.tellers).flatMap(({ exclusion }) => exclusion?.since ?? []);
  const all = [...new Set(beginnings)].flatMap((at) => exclusionForAll(trust, at) ?? []);
  return all.map(({ since, until, tellers }) => ({
    id: `exclusion ${provider} ${since}`,
    provider,
    since,
    until,
    says: `excluded for all until ${new Date(until).toISOString()}: outcomes reported by ${tellers.join(", ")}`,
  }));
}
