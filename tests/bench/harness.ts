import type { Stage } from "./e2e/stage.ts";

/**
 * A comparison of two sides in one run. Absolute times on shared machines mean little; the ratio within one round means much.
 * So both sides take turns, round by round, and the result is the median of the rounds' ratios.
 */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  /** One round's figure of our side, in `unit`. */
  readonly ours: () => number | Promise<number>;
  /** One round's figure of the other side, in `unit`. */
  readonly against: () => number | Promise<number>;
  readonly rounds: number;
  /** Unmeasured rounds of each side at the start; default 1. */
  readonly warmUp?: number;
  /** Default: ours over theirs. */
  readonly ratio?: (ours: number, against: number) => number;
}

/** A row before its setup. */
export interface RowSource {
  readonly name: string;
  /** One line for `--help`. */
  readonly says: string;
  /** @param stage starts the processes of the end-to-end rows, once for all rows */
  open(stage: () => Promise<Stage>): Promise<Row> | Row;
}

export interface Result {
  readonly name: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  readonly ours: number;
  readonly against: number;
  readonly ratio: number;
  /** The quartiles of the rounds' figures on each side, and of their ratios. */
  readonly spread: {
    readonly ours: Quartiles;
    readonly against: Quartiles;
    readonly ratio: Quartiles;
  };
}

/** The first and the third quartile. */
export type Quartiles = readonly [number, number];

/** Runs a row: unmeasured rounds of each side, then `rounds` interleaved ones, the order swapped each time. */
export async function runRow(row: Row, onRound: (round: number) => void = () => {}): Promise<Result> {
  for (let round = 0; round < (row.warmUp ?? 1); round++) {
    await row.ours();
    await row.against();
  }
  const ratio = row.ratio ?? ((ours, against) => ours / against);
  const rounds: { ours: number; against: number; ratio: number }[] = [];
  for (let round = 0; round < row.rounds; round++) {
    onRound(round);
    const first = round % 2 === 0 ? await row.ours() : await row.against();
    const second = round % 2 === 0 ? await row.against() : await row.ours();
    const [ours, against] = round % 2 === 0 ? [first, second] : [second, first];
    rounds.push({ ours, against, ratio: ratio(ours, against) });
  }
  const figures = {
    ours: rounds.map((round) => round.ours),
    against: rounds.map((round) => round.against),
    ratio: rounds.map((round) => round.ratio),
  };
  return {
    name: row.name,
    unit: row.unit,
    better: row.better,
    ours: quantile(figures.ours, 0.5),
    against: quantile(figures.against, 0.5),
    ratio: quantile(figures.ratio, 0.5),
    spread: {
      ours: quartiles(figures.ours),
      against: quartiles(figures.against),
      ratio: quartiles(figures.ratio),
    },
  };
}

function quartiles(values: readonly number[]): Quartiles {
  return [quantile(values, 0.25), quantile(values, 0.75)];
}

/** The `q`-quantile by linear interpolation; `values` is not empty. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? low;
  return low + (high - low) * (at - Math.floor(at));
}

/** Microseconds for one call of `work`, over about `forMs` milliseconds. */
export async function microsecondsPerCall(work: () => unknown, forMs = 20): Promise<number> {
  const batch = 25;
  const start = performance.now();
  let calls = 0;
  let elapsed = 0;
  while (elapsed < forMs) {
    for (let call = 0; call < batch; call++) {
      const result = work();
      if (result instanceof Promise) await result;
    }
    calls += batch;
    elapsed = performance.now() - start;
  }
  return (elapsed * 1000) / calls;
}
