import type { TrustDocument } from "@scbe/contracts";

/**
 * True when `held` says what the event `seq` has come to. It has to be another document than the one `before` the event was sent, since the
 * numbers of a stream that was made anew begin again.
 */
export function hasApplied(
  seq: number,
  { held, before }: { readonly held: TrustDocument | undefined; readonly before: TrustDocument | undefined },
): boolean {
  return held !== undefined && held !== before && held.stream.seq >= seq;
}
