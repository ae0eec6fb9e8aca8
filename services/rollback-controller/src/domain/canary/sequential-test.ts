/**
 * Wald's sequential probability ratio test of the share of failures: is it 0.1 %, which is fine, or 0.5 %, which is not? Its score adds up
 * the evidence of each request, so that it may be looked at any time: who looks at a plain share again and again sees it cross by chance.
 * The bounds stand for 1 % of good ones aborted and 5 % of bad ones taken for good.
 */
export const SEQUENTIAL = {
  p0: 0.001,
  p1: 0.005,
  /** ln(p1 / p0) */
  failure: 1.609,
  /** ln((1 - p1) / (1 - p0)) */
  success: -0.00401,
  /** From here on it is the bad one. */
  abortFrom: 4.55,
  /** Down to here it is not known to be the good one. */
  promoteTo: -2.99,
} as const;

/** The evidence for the bad one in these counts; their order does not matter. */
export function sequentialScore({ failures, checked }: Counts): number {
  return failures * SEQUENTIAL.failure + (checked - failures) * SEQUENTIAL.success;
}

/** Whole numbers. */
export interface Counts {
  readonly failures: number;
  /** Failures included. */
  readonly checked: number;
}

/**
 * Whole counts of a share and what it is of. Prometheus gives neither as whole numbers: `increase` extends what it saw to the ends of
 * the window.
 */
export function countsOf(share: number, of: number): Counts {
  const checked = Math.round(of);
  return { failures: Math.min(checked, Math.round(share * of)), checked };
}
