import { SEQUENTIAL } from "./sequential-test.ts";

/** How sure it has to be that fewer than 0.1 % fail, before all of the traffic follows. */
const DOUBT_MAX = 0.05;
/** Failures above this are none that anybody waits for. */
const FAILURES_MAX = 1000;

/**
 * The requests that show, with 95 % certainty, that fewer than 0.1 % fail when so many of them did: 2,995 when none did, 4,742 with one,
 * 6,294 with two. Infinity above a thousand failures.
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

/** Of at most so many failures among `count` requests, when each fails with p0: the binomial distribution's lower tail. */
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
