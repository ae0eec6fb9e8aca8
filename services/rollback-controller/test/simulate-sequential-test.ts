import { requestsNeeded, SEQUENTIAL, sequentialScore } from "../src/canary/sequential-test.ts";

/** The outcomes of many simulated steps that fail this share of their requests. */
export interface Simulated {
  readonly share: number;
  /** 0 to 1, of the runs */
  readonly aborted: number;
  readonly promoted: number;
  /** Not decided when the run ended. */
  readonly held: number;
  /** Requests until the decision, over the decided runs. */
  readonly meanRequests: number;
}

interface Ended {
  readonly as: "aborted" | "promoted" | "held";
  readonly requests: number;
}

/** Reproducible numbers from 0 to 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Wald's test as in textbooks: evaluated after each request, and ended at either bound. */
export function simulateTest(share: number, runs: number, random: () => number): Simulated {
  return summarize(share, runs, () => {
    let [score, requests] = [0, 0];
    for (;;) {
      const clean = cleanRun(share, random);
      const untilPromoted = Math.ceil((SEQUENTIAL.promoteTo - score) / SEQUENTIAL.success);
      if (clean >= untilPromoted) return { as: "promoted", requests: requests + untilPromoted };
      requests += clean + 1;
      score += clean * SEQUENTIAL.success + SEQUENTIAL.failure;
      if (score >= SEQUENTIAL.abortFrom) return { as: "aborted", requests };
    }
  });
}

export interface StepOptions {
  readonly perSecond: number;
  /** Whether it leads to 100 %. */
  readonly last?: boolean;
}

const [TICK_S, HOLD_S, YOUNG_S, END_S] = [30, 1800, 120, 18_000];

/**
 * A step of half an hour as the engine decides it: evaluated every 30 s, aborted at any time, promoted when its time is over. The simulation
 * ends after five hours.
 */
export function simulateSteps(
  share: number,
  runs: number,
  random: () => number,
  { perSecond, last = false }: StepOptions,
): Simulated {
  return summarize(share, runs, () => {
    let [checked, failures, untilFailure] = [0, 0, cleanRun(share, random)];
    for (let s = TICK_S; s <= END_S; s += TICK_S) {
      checked += perSecond * TICK_S;
      while (untilFailure < checked) {
        failures += 1;
        untilFailure += 1 + cleanRun(share, random);
      }
      const score = sequentialScore({ failures, checked });
      if (s >= YOUNG_S && score >= SEQUENTIAL.abortFrom) return { as: "aborted", requests: checked };
      const isGood = score <= SEQUENTIAL.promoteTo && failures / checked < SEQUENTIAL.p0;
      if (s < HOLD_S || !isGood) continue;
      if (!last || checked - failures >= requestsNeeded(failures))
        return { as: "promoted", requests: checked };
    }
    return { as: "held", requests: checked };
  });
}

/** Requests before the next failure. */
function cleanRun(share: number, random: () => number): number {
  return share === 0 ? Number.POSITIVE_INFINITY : Math.floor(Math.log(1 - random()) / Math.log1p(-share));
}

function summarize(share: number, runs: number, run: () => Ended): Simulated {
  const ended = Array.from({ length: runs }, run);
  const part = (as: Ended["as"]) => ended.filter((it) => it.as === as).length / runs;
  const decided = ended.filter(({ as }) => as !== "held");
  const requests = decided.reduce((sum, it) => sum + it.requests, 0);
  return {
    ...{ share, aborted: part("aborted"), promoted: part("promoted"), held: part("held") },
    meanRequests: Math.round(requests / decided.length),
  };
}

/** `node services/rollback-controller/test/simulate-sequential-test.ts` prints the tables of docs/canary.md. */
if (import.meta.main) {
  const RUNS = 20_000;
  const SHARES = [0, 0.001, 0.003, 0.005, 0.01];
  const table = (title: string, simulate: (share: number, random: () => number) => Simulated) => {
    const rows = SHARES.map((share) => inRow(simulate(share, seeded(1))));
    const head = "| failing | aborted | promoted | undecided | mean requests |\n|---|---|---|---|---|";
    process.stdout.write(`${title}, ${RUNS} runs for each row\n\n${head}\n${rows.join("\n")}\n\n`);
  };
  table("The test by itself", (share, random) => simulateTest(share, RUNS, random));
  for (const perSecond of [1, 10]) {
    const title = `A step at ${perSecond}/s`;
    table(title, (share, random) => simulateSteps(share, RUNS, random, { perSecond }));
  }
  table("The step before 100 %, at 1/s", (share, random) =>
    simulateSteps(share, RUNS, random, { perSecond: 1, last: true }),
  );
}

function inRow({ share, aborted, promoted, held, meanRequests }: Simulated): string {
  const percent = (part: number) => `${Number((part * 100).toFixed(2))} %`;
  const mean = Number.isNaN(meanRequests) ? "-" : meanRequests.toLocaleString("en");
  return `| ${percent(share)} | ${percent(aborted)} | ${percent(promoted)} | ${percent(held)} | ${mean} |`;
}
