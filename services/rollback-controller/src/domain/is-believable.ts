/** How far ahead of this clock a generation may be that a verifier says it holds: no controller's clock was ever further off. */
const BELIEVED_AHEAD_MS = 7 * 24 * 60 * 60_000;

/**
 * True when a generation that a verifier claims to hold may have been issued. Nobody has signed what it says, so that one
 * who lies could otherwise use up all numbers there are.
 */
export function isBelievable(
  generation: number,
  { current, nowMs }: { current: number; nowMs: number },
): boolean {
  return generation <= Math.max(current, nowMs + BELIEVED_AHEAD_MS);
}
