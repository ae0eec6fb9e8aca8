/**
 * The generation after `previous`. At least the time in milliseconds: a ring that is made anew, because KV lost the one
 * before, is then still newer to every verifier that remembers that one.
 */
export function nextGeneration(previous: number | undefined, nowMs: number): number {
  return Math.max((previous ?? 0) + 1, nowMs);
}
