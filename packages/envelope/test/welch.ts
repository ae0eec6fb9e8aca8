/** Samples by class, in ms. */
export type Samples = ReadonlyMap<string, readonly number[]>;

export interface Separation {
  readonly t: number;
  readonly between: string;
}

/** The slowest part of each class, which is left out: it measures the machine, not the code under test. */
const TRIMMED = 0.2;

/**
 * Welch's t-test of every pair of classes: the pair with the largest |t|. |t| grows with the distance of the means and
 * shrinks with the spread; equal classes stay far below 5.
 */
export function bestSeparated(samples: Samples): Separation {
  const classes = [...samples].map(([name, values]) => ({ name, ...momentsOf(trimmed(values)) }));
  const pairs = classes.flatMap((one, index) =>
    classes.slice(index + 1).map((other) => ({
      t: Math.abs(one.mean - other.mean) / Math.sqrt(one.squaredError + other.squaredError),
      between: `${one.name} (${one.mean.toFixed(4)} ms) and ${other.name} (${other.mean.toFixed(4)} ms)`,
    })),
  );
  return pairs.reduce((best, pair) => (pair.t > best.t ? pair : best), { t: 0, between: "" });
}

function trimmed(values: readonly number[]): readonly number[] {
  return values.toSorted((a, b) => a - b).slice(0, Math.ceil(values.length * (1 - TRIMMED)));
}

/** The mean, and the square of its standard error. */
function momentsOf(values: readonly number[]): { mean: number; squaredError: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, squaredError: squares / (values.length - 1) / values.length };
}
