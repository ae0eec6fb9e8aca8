import { TRUST_LIMIT } from "@scbe/contracts";
import { addEvidence, W_AFTER_EXCLUSION, WEIGHTS } from "../src/domain/evidence.ts";

/** The simulated failure rates, 0 to 1. */
export const SHARES = [0.001, 0.005, 0.01, 0.05, 0.5] as const;

/** A provider that is not excluded by then never is; other weights can lead to that. */
const REQUESTS_MAX = 50_000_000;

/** The requests of one simulated provider until its exclusion. */
export interface Simulated {
  readonly mean: number;
  readonly median: number;
}

/** Pseudo-random numbers from 0 to 1, the same in each run. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Providers that fail this share of their requests, starting at the evidence `w`. */
export function simulateExclusion(share: number, w: number, runs: number, random: () => number): Simulated {
  const requests = Array.from({ length: runs }, () => requestsUntilExcluded(share, w, random));
  requests.sort((a, b) => a - b);
  const mean = requests.reduce((sum, it) => sum + it, 0) / runs;
  return { mean: Math.round(mean), median: requests[runs >> 1] ?? Number.NaN };
}

/** A run of successes is one step: applying the floor of the evidence once after all of them gives the same result. */
function requestsUntilExcluded(share: number, w: number, random: () => number): number {
  let [evidence, requests] = [w, 0];
  while (evidence < TRUST_LIMIT && requests < REQUESTS_MAX) {
    const clean = Math.floor(Math.log(1 - random()) / Math.log1p(-share));
    evidence = addEvidence(addEvidence(evidence, clean * WEIGHTS.ok), WEIGHTS.timeout);
    requests += clean + 1;
  }
  return requests;
}

/** `node services/trust-scorer/test/simulate-exclusion.ts` prints the table of the README. */
if (import.meta.main) {
  const RUNS = 20_000;
  const show = (count: number) => count.toLocaleString("en");
  process.stdout.write(
    "| failing | requests to exclusion: mean | median | after an exclusion: mean | median |\n",
  );
  process.stdout.write("|---|---|---|---|---|\n");
  for (const share of SHARES) {
    const [first, again] = [0, W_AFTER_EXCLUSION].map((w) => simulateExclusion(share, w, RUNS, seeded(1)));
    const cells = [first, again].flatMap((it) => [show(it?.mean ?? 0), show(it?.median ?? 0)]);
    process.stdout.write(`| ${share * 100} % | ${cells.join(" | ")} |\n`);
  }
}
