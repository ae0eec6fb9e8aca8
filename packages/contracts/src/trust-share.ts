import type { ProviderTrust, TrustDocument } from "./trust.ts";

/** Evidence at which a provider is excluded. */
export const TRUST_LIMIT = 6.5;
/** Percent of its traffic that a provider gets back, step by step; after the last step all of it. */
export const PROBATION_SHARES = [5, 25, 50] as const;

/** A provider of which nothing is known. */
export const UNKNOWN_PROVIDER: ProviderTrust = {
  w: 0,
  samples: 0,
  exclusions: 0,
  exclusion: null,
  latch: null,
  calibration: null,
};

/** What is known of a provider. */
export function trustIn({ providers }: Pick<TrustDocument, "providers">, provider: string): ProviderTrust {
  const known = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return known ?? UNKNOWN_PROVIDER;
}

/** 0 (not to be used) to 1 (nothing speaks against it), as metrics and people see it. */
export function trustScore(trust: ProviderTrust, now: number): number {
  if (trust.latch !== null || isExcluded(trust, now)) return 0;
  return Math.max(0, 1 - trust.w / TRUST_LIMIT);
}

/**
 * Percent of its traffic that a provider gets at `now`: nothing while it is excluded, then each step of its probation for as long as the exclusion
 * was. It takes no samples to get on: who is seldom asked would never come back. What happens in a step counts as ever, and
 * excludes again. A request is inside of the share by `isInside(trustLabel(provider), requestId, share)` of `@scbe/envelope/control`; one outside of it goes
 * there only when no other candidate is left, unless there is a latch.
 */
export function trustShare(trust: ProviderTrust, now: number): number {
  if (trust.latch !== null || isExcluded(trust, now)) return 0;
  const { exclusion } = trust;
  if (exclusion === null || exclusion.until === null) return 100;
  const step = Math.floor((now - exclusion.until) / (exclusion.until - exclusion.since));
  return PROBATION_SHARES[step] ?? 100;
}

/** True while a provider is out for its quality. */
export function isExcluded({ exclusion }: ProviderTrust, at: number): boolean {
  return exclusion !== null && (exclusion.until === null || at < exclusion.until);
}

/** Stands for a provider where a share of trust is meant: no name can be it, so that this share and the flag's are independent. */
export function trustLabel(provider: string): string {
  return `trust/${provider}`;
}
