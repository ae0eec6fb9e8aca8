import type { ControlDocument } from "@scbe/envelope/control";

export interface SkewBounds {
  /** What is usual. */
  readonly usualSeconds: number;
  /** What no document can exceed. */
  readonly limitSeconds: number;
}

/**
 * How far a sealer's clock and ours may be apart at `nowMs` (ms since the Unix epoch): as usual, or wider while the document's skew
 * window lasts.
 */
export function skewSeconds(
  document: ControlDocument | undefined,
  { usualSeconds, limitSeconds }: SkewBounds,
  nowMs: number,
): number {
  const window = document?.state.skew_window ?? undefined;
  if (window === undefined || nowMs >= window.until) return usualSeconds;
  return Math.max(usualSeconds, Math.min(window.seconds, limitSeconds));
}
