import type { ClearingEvent, ProviderTrust, TrustSignal } from "@scbe/contracts";

/** With its integrity in doubt. A latch that stands keeps its beginning, and names the newest event. */
export function latch(
  trust: ProviderTrust,
  { cause, event, at }: { readonly cause: TrustSignal; readonly event: string; readonly at: number },
): ProviderTrust {
  return { ...trust, latch: { cause, since: trust.latch?.since ?? at, event } };
}

/** Without the latch that a person has looked at; something newer that he has not seen keeps it. */
export function clearLatch(trust: ProviderTrust, { clears }: ClearingEvent): ProviderTrust {
  return trust.latch?.event === clears ? { ...trust, latch: null } : trust;
}
