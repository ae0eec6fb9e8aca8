/** Bounds of a wait before the next try. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * The wait after the `failures`th failure in a row, in ms: half of a ceiling that doubles each time up to a limit, plus a random share of the
 * other half. The fixed half keeps the next try from following at once; the random share spreads processes that failed together.
 * @param random 0 to 1
 */
export function backoffMs(failures: number, random: number, { firstMs, maxMs }: BackoffLimits): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 20));
  return ceiling * (0.5 + random / 2);
}
