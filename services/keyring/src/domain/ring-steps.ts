import { type Environment, RING_KEYS_MAX, ScbeError } from "@scbe/contracts";
import { isOpenable } from "./openable.ts";
import { isActive, mayOpen, type Ring, type RingKey } from "./ring.ts";

/** The next step that brings KV and the keyring's memory together. */
export type Step =
  /** Memory and KV agree, and a key is active. */
  | { readonly do: "nothing" }
  /** Take the stored ring into memory. */
  | { readonly do: "adopt"; readonly ring: Ring }
  /** Write this ring: KV lost a newer one that this process still has, or a key has reached its end. */
  | { readonly do: "write"; readonly ring: Ring; readonly why: "restore" | "expire" }
  /** No key is active: have KMS make one, and write the ring with it. */
  | { readonly do: "create"; readonly onto: Ring | undefined };

/**
 * The keyring's one decision about its ring. If the stored ring is older than the one in memory, KV was emptied or rolled back. The ring in
 * memory is then written again, because the older one could open with a key that was retired since.
 * @param stored the ring in KV; undefined: none
 * @param held the ring in memory; undefined: none yet
 */
export function nextStep(
  stored: Ring | undefined,
  held: Ring | undefined,
  { nowMs, decryptOnlyMaxMs }: { readonly nowMs: number; readonly decryptOnlyMaxMs: number },
): Step {
  if (held !== undefined && (stored === undefined || stored.generation < held.generation)) {
    return { do: "write", ring: held, why: "restore" };
  }
  if (stored === undefined) return { do: "create", onto: undefined };
  if (stored.generation !== held?.generation) return { do: "adopt", ring: stored };
  const current = expire(stored, nowMs, decryptOnlyMaxMs);
  if (current !== stored) return { do: "write", ring: current, why: "expire" };
  return stored.keys.some(isActive) ? { do: "nothing" } : { do: "create", onto: stored };
}

/**
 * The ring with every key retired that has reached its end; the same object if there is none. A retired key loses its wrapped copy, so
 * nothing can open what it sealed.
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

/** A data key that KMS has just made. */
export interface WrappedKey {
  readonly kid: string;
  readonly wrapped: Uint8Array;
  /** The ARN of the KMS key that wrapped it. */
  readonly keyArn: string;
}

/**
 * The ring with its first active key: for an environment without a ring, or one whose keys have all ended.
 * @throws ScbeError CONFLICT when a key is active already, or the ring is full
 */
export function addFirstKey(
  ring: Ring | undefined,
  { kid, wrapped, keyArn }: WrappedKey,
  { env, nowMs }: { readonly env: Environment; readonly nowMs: number },
): Ring {
  const keys = ring?.keys ?? [];
  if (keys.some(isActive)) throw new ScbeError("CONFLICT", "the ring has an active key");
  if (keys.length >= RING_KEYS_MAX) throw new ScbeError("CONFLICT", "the ring is full");
  const key = {
    kid,
    state: "active" as const,
    since: nowMs,
    not_after: null,
    wrapped: Buffer.from(wrapped).toString("base64"),
    wrapped_by: keyArn,
  };
  return { v: 1, env, generation: nextGeneration(ring?.generation, nowMs), keys: [...keys, key] };
}

/**
 * The generation after `previous`, at least the time in ms: a ring that is made anew after KV lost the former one is then newer to every
 * verifier that remembers the former one.
 */
export function nextGeneration(previous: number | undefined, nowMs: number): number {
  return Math.max((previous ?? 0) + 1, nowMs);
}

/**
 * A name for a new data key: its day, for people, and 64 random bits, which make it unique across keyrings.
 * @param random 8 bytes
 */
export function newKid(nowMs: number, random: Uint8Array): string {
  const day = new Date(nowMs).toISOString().slice(0, 10).replaceAll("-", "");
  return `k${day}-${Buffer.from(random).toString("hex")}`;
}
