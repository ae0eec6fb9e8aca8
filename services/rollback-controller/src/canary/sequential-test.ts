/**
 * Wald's sequential probability ratio test of the share of failures: 0.1 % (good) against 0.5 % (bad). The score adds up the evidence of each
 * request, so it can be evaluated at any time; a plain share that is evaluated repeatedly crosses a limit by chance. The bounds abort 1 % of
 * good canaries and promote 5 % of bad ones.
 */
export const SEQUENTIAL = {
  p0: 0.001,
  p1: 0.005,
  /** ln(p1 / p0) */
  failure: 1.609,
  /** ln((1 - p1) / (1 - p0)) */
  success: -0.00401,
  /** From this score on the share is bad. */
  abortFrom: 4.55,
  /** Down to this score the share is not proven good. */
  promoteTo: -2.99,
} as const;

/** The evidence for the bad share in these counts; the order of the requests does not matter. */
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
 * Whole counts from a share and a total. Prometheus gives neither as whole numbers: `increase` extrapolates to the ends of the window.
 */
export function countsOf(share: number, of: number): Counts {
  const checked = Math.round(of);
  return { failures: Math.min(checked, Math.round(share * of)), checked };
}

/** The greatest probability of an error in the claim that fewer than 0.1 % fail. */
const DOUBT_MAX = 0.05;
/** With more failures the number of requests is of no practical use. */
const FAILURES_MAX = 1000;

/**
 * The number of requests that show with 95 % certainty that fewer than 0.1 % fail, given this many failures among them: 2,995 for none,
 * 4,742 for one, 6,294 for two. Infinity above a thousand failures.
 */
export function requestsNeeded(failures: number): number {
  if (failures > FAILURES_MAX) return Number.POSITIVE_INFINITY;
  let [low, high] = [failures, 2995 + failures * 2000];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (chanceOfAtMost(failures, middle) <= DOUBT_MAX) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The probability of at most that many failures among `count` requests that fail with p0: the binomial distribution's lower tail. */
function chanceOfAtMost(failures: number, count: number): number {
  const { p0 } = SEQUENTIAL;
  let logTerm = count * Math.log1p(-p0);
  let sum = Math.exp(logTerm);
  for (let k = 1; k <= Math.min(failures, count); k += 1) {
    logTerm += Math.log((count - k + 1) / k) + Math.log(p0 / (1 - p0));
    sum += Math.exp(logTerm);
  }
  return sum;
}
