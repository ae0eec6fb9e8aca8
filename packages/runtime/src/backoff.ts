/** Bounds of a wait before the next try. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait after the `failures`th failure in a row, in ms: a random share of a ceiling that doubles each time up
 * to a limit. The lower half of it is never drawn, so that no try follows at once; the rest spreads those that failed
 * together.
 * @param random 0 to 1
 */
export function backoffMs(failures: number, random: number, { firstMs, maxMs }: BackoffLimits): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 20));
  return ceiling * (0.5 + random / 2);
}
