import { mayOpen, type Ring, type RingKey } from "./ring.ts";

/**
 * How long a key may stay decrypt-only, in ms: what was sealed just before it left the active state lives for one
 * replay window, and two clocks, each off by the limit, stand between its sealer and its opener.
 */
export function decryptOnlyMsMax(windowSeconds: number, skewLimitSeconds: number): number {
  return (windowSeconds + 2 * skewLimitSeconds) * 1000;
}

/**
 * When a key's state ends, in ms since the Unix epoch; null: it does not. A decrypt-only key ends no later than
 * `decryptOnlyMaxMs` after it became so, whatever the record says.
 */
export function endOf(key: RingKey, decryptOnlyMaxMs: number): number | null {
  if (key.state !== "decrypt-only") return key.not_after;
  const latest = key.since + decryptOnlyMaxMs;
  return key.not_after === null ? latest : Math.min(key.not_after, latest);
}

/** True while a key may open: active, or decrypt-only; and before its end. */
export function isOpenable(key: RingKey, nowMs: number, decryptOnlyMaxMs: number): boolean {
  const end = endOf(key, decryptOnlyMaxMs);
  return mayOpen(key) && (end === null || nowMs < end);
}

/** The keys of a ring that may open now. */
export function openable(ring: Ring, nowMs: number, decryptOnlyMaxMs: number): readonly RingKey[] {
  return ring.keys.filter((key) => isOpenable(key, nowMs, decryptOnlyMaxMs));
}
