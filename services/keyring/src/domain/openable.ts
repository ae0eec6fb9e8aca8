import { mayOpen, type Ring, type RingKey } from "./ring.ts";

/**
 * How long a key stays decrypt-only, in ms: one replay window for what was sealed just before the key left the active state, and twice the
 * skew limit, once for the clock of the sealer and once for that of the opener.
 */
export function decryptOnlyMsMax(windowSeconds: number, skewLimitSeconds: number): number {
  return (windowSeconds + 2 * skewLimitSeconds) * 1000;
}

/**
 * When a key's state ends, in ms since the Unix epoch; null: it does not end. A decrypt-only key ends at most `decryptOnlyMaxMs` after it
 * entered that state, even if its record says later.
 */
export function endOf(key: RingKey, decryptOnlyMaxMs: number): number | null {
  if (key.state !== "decrypt-only") return key.not_after;
  const latest = key.since + decryptOnlyMaxMs;
  return key.not_after === null ? latest : Math.min(key.not_after, latest);
}

/** Whether a key opens now: it is active or decrypt-only, and has not reached its end. */
export function isOpenable(key: RingKey, nowMs: number, decryptOnlyMaxMs: number): boolean {
  const end = endOf(key, decryptOnlyMaxMs);
  return mayOpen(key) && (end === null || nowMs < end);
}

/** The keys of a ring that open now. */
export function openable(ring: Ring, nowMs: number, decryptOnlyMaxMs: number): readonly RingKey[] {
  return ring.keys.filter((key) => isOpenable(key, nowMs, decryptOnlyMaxMs));
}
