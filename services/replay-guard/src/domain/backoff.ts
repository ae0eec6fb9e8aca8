export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait after the `failures`th failure in a row: doubled each time up to a limit, and somewhere in the upper
 * half of that, so that many that failed together do not come back together.
 * @param random 0 to 1
 */
export function backoffMs(failures: number, random: number, { firstMs, maxMs }: BackoffLimits): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}
