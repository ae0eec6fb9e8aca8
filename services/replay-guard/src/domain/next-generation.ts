/**
 * The generation of a new epoch: above every one that was seen, and at least the time in ms, so that it is above those of
 * a lost record too.
 */
export function nextGeneration(seen: number | undefined, nowMs: number): number {
  return Math.max((seen ?? 0) + 1, Math.floor(nowMs));
}
