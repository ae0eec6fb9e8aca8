const FIRST_MS = 250;
const MAX_MS = 10_000;

/** How long to wait before a program is started again that has failed `failures` times in a row (from 1). */
export function restartPauseMs(failures: number): number {
  return Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures - 1, 30));
}

/** A program that ran this long had got over its failures. */
export const STEADY_MS = 30_000;

/** Failures in a row, after a run of `ranMs`. */
export function countFailures(before: number, ranMs: number): number {
  return ranMs >= STEADY_MS ? 1 : before + 1;
}
