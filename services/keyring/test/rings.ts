import type { Ring, RingKey } from "../src/domain/ring.ts";

/** A point in time: 2026-01-02 03:04:05 UTC. */
export const T = Date.UTC(2026, 0, 2, 3, 4, 5);
/** The defaults: a window of 300 s and a skew limit of 600 s. */
export const DECRYPT_ONLY_MAX_MS = 1_500_000;

/** A key of a ring; by default active since {@link T}. */
export function ringKey(change: Partial<RingKey> = {}): RingKey {
  const usual = {
    kid: "k1",
    state: "active",
    since: T,
    not_after: null,
    wrapped: "AAAA",
    wrapped_by: "local:a",
  };
  return { ...usual, ...change } as RingKey;
}

/** A key that was active until `since`. */
export function decryptOnly(since: number, change: Partial<RingKey> = {}): RingKey {
  return ringKey({
    kid: "k0",
    state: "decrypt-only",
    since,
    not_after: since + DECRYPT_ONLY_MAX_MS,
    ...change,
  });
}

/** A ring of dev with these keys; by default of generation 7. */
export function ringOf(keys: readonly RingKey[], change: Partial<Ring> = {}): Ring {
  return { v: 1, env: "dev", generation: 7, keys: [...keys], ...change };
}
