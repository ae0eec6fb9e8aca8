import type { ProviderTrust, TellerTrust, TrustDocument } from "./trust.ts";

/** Evidence at which a provider is excluded. */
export const TRUST_LIMIT = 6.5;
/** Percent of its traffic that a provider gets back, step by step; after the last step all of it. */
export const PROBATION_SHARES = [5, 25, 50] as const;
/** The evidence of the lowest score above 0, which excludes nothing by itself. */
const W_BELOW_LIMIT = TRUST_LIMIT - 1e-5;

/** How many of a provider's tellers must agree before what they say holds for all. */
export function quorumOf(tellers: number): number {
  return Math.max(1, Math.min(2, tellers));
}

/** A provider of which nothing is known. */
export const UNKNOWN_PROVIDER: ProviderTrust = {
  tellers: {},
  quorum: { needs: 2, of: 0 },
  doubts: 0,
  reuse: null,
  latch: null,
  calibration: null,
};

/** What is known of a provider. */
export function trustIn({ providers }: Pick<TrustDocument, "providers">, provider: string): ProviderTrust {
  const known = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return known ?? UNKNOWN_PROVIDER;
}

/** What one teller's reports say of a provider; undefined: it has reported nothing. */
export function tellerIn({ tellers }: ProviderTrust, teller: string): TellerTrust | undefined {
  return Object.hasOwn(tellers, teller) ? tellers[teller] : undefined;
}

/** True when a person has taken the provider out, until that person or another one says otherwise. */
export function isTakenOut({ calibration }: ProviderTrust): boolean {
  return calibration?.score === 0;
}

/** The evidence that a teller without reports begins with: a person's calibration holds for all tellers. */
export function startingEvidence({ calibration }: ProviderTrust): number {
  if (calibration === null) return 0;
  return Math.min(roundEvidence((1 - calibration.score) * TRUST_LIMIT), W_BELOW_LIMIT);
}

/** Evidence is counted in hundred-thousandths, as the weights are: sums of it are exact, whatever they are put together from. */
export function roundEvidence(w: number): number {
  return Math.round(w * 1e5) / 1e5;
}

/** True when the provider is refused for its integrity: for all, or for this teller. */
export function isLatched(trust: ProviderTrust, teller?: string): boolean {
  if (trust.latch !== null) return true;
  return teller !== undefined && (tellerIn(trust, teller)?.latch ?? null) !== null;
}

/**
 * 0 (not to be used) to 1 (nothing speaks against it), as metrics and people see it: what the quorum agrees on, so that no single teller moves it. With `teller`
 * the lower of that and its own.
 */
export function trustScore(trust: ProviderTrust, now: number, teller?: string): number {
  if (isLatched(trust, teller) || isTakenOut(trust)) return 0;
  const start = scoreOf(startingEvidence(trust));
  const own = teller === undefined ? undefined : tellerIn(trust, teller);
  const forAll = agreed(trust, (row) => tellerScore(row, now), start);
  return own === undefined ? forAll : Math.min(forAll, tellerScore(own, now));
}

/**
 * Percent of its traffic that a provider gets at `now`: nothing while it is excluded, then each step of its probation for as long as the exclusion
 * was. It takes no samples to get on: a provider that is seldom asked would never come back. What happens in a step counts as ever, and
 * excludes again. A request is inside of the share by `isInside(trustLabel(provider), requestId, share)` of `@scbe/envelope/control`; one outside of it goes
 * there only when no other candidate is left, unless there is a latch. It is the share that the quorum agrees on; with `teller` the lower of that and its own.
 */
export function trustShare(trust: ProviderTrust, now: number, teller?: string): number {
  if (isLatched(trust, teller) || isTakenOut(trust)) return 0;
  const own = teller === undefined ? undefined : tellerIn(trust, teller);
  const forAll = agreed(trust, (row) => tellerShare(row, now), 100);
  return own === undefined ? forAll : Math.min(forAll, tellerShare(own, now));
}

/** An exclusion for quality that holds for all. */
export interface ExclusionForAll {
  /** When the quorum was reached. */
  readonly since: number;
  /** When the quorum is lost again. */
  readonly until: number;
  /** The tellers whose evidence excludes it, in the order of their exclusions. */
  readonly tellers: readonly string[];
}

/** The exclusion by the quorum of tellers that holds at `at`. A person's calibration is none. */
export function exclusionForAll({ tellers, quorum }: ProviderTrust, at: number): ExclusionForAll | undefined {
  const out = Object.entries(tellers)
    .flatMap(([teller, { exclusion }]) =>
      exclusion !== null && exclusion.since <= at && at < exclusion.until ? [{ teller, ...exclusion }] : [],
    )
    .toSorted((one, other) => one.since - other.since);
  const last = out[quorum.needs - 1];
  if (last === undefined) return undefined;
  const ends = out.map(({ until }) => until).toSorted((one, other) => other - one);
  return {
    since: last.since,
    until: ends[quorum.needs - 1] as number,
    tellers: out.map(({ teller }) => teller),
  };
}

/** True while a provider is out for its quality, for all. */
export function isExcluded(trust: ProviderTrust, at: number): boolean {
  return isTakenOut(trust) || agreed(trust, (row) => (isExcludedBy(row, at) ? 0 : 1), 1) === 0;
}

/** True while this teller's evidence excludes the provider. */
export function isExcludedBy({ exclusion }: TellerTrust, at: number): boolean {
  return exclusion !== null && at < exclusion.until;
}

/** The score by one teller's evidence of quality alone. */
export function tellerScore(row: TellerTrust, now: number): number {
  return isExcludedBy(row, now) ? 0 : scoreOf(row.w);
}

/** The share by one teller's evidence of quality alone. */
export function tellerShare(row: TellerTrust, now: number): number {
  const { exclusion } = row;
  if (isExcludedBy(row, now)) return 0;
  if (exclusion === null) return 100;
  const step = Math.floor((now - exclusion.until) / (exclusion.until - exclusion.since));
  return PROBATION_SHARES[step] ?? 100;
}

/** Outcomes that all tellers reported. */
export function samplesOf({ tellers }: ProviderTrust): number {
  return Object.values(tellers).reduce((sum, { samples }) => sum + samples, 0);
}

/** Stands for a provider where a share of trust is meant: no name can be it, so that this share and the flag's are independent. */
export function trustLabel(provider: string): string {
  return `trust/${provider}`;
}

/** The lowest value that as many tellers as the quorum needs stay at or below; a teller without a row has `start`. */
function agreed(
  { tellers, quorum: { needs, of } }: ProviderTrust,
  read: (row: TellerTrust) => number,
  start: number,
): number {
  const values = Object.values(tellers).map(read);
  const silent = Math.min(needs, Math.max(0, of - values.length));
  for (let n = 0; n < silent; n += 1) values.push(start);
  return values.toSorted((one, other) => one - other)[needs - 1] ?? start;
}

function scoreOf(w: number): number {
  return Math.max(0, 1 - w / TRUST_LIMIT);
}
