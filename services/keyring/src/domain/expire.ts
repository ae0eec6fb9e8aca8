import { nextGeneration } from "./next-generation.ts";
import { isOpenable } from "./openable.ts";
import { mayOpen, type Ring, type RingKey } from "./ring.ts";

/**
 * The ring with every key that has reached its end retired, or the same ring when none has. A retired key loses its
 * wrapped copy: from then on nothing can open what it sealed.
 */
export function expire(ring: Ring, nowMs: number, decryptOnlyMaxMs: number): Ring {
  const hasEnded = (key: RingKey): boolean => mayOpen(key) && !isOpenable(key, nowMs, decryptOnlyMaxMs);
  if (!ring.keys.some(hasEnded)) return ring;
  return {
    ...ring,
    generation: nextGeneration(ring.generation, nowMs),
    keys: ring.keys.map((key) => (hasEnded(key) ? retire(key, nowMs) : key)),
  };
}

function retire(key: RingKey, nowMs: number): RingKey {
  return { ...key, state: "retired", since: nowMs, not_after: null, wrapped: null };
}
