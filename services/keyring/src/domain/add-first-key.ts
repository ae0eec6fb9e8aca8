import { type Environment, RING_KEYS_MAX, ScbeError } from "@scbe/contracts";
import { nextGeneration } from "./next-generation.ts";
import { isActive, type Ring } from "./ring.ts";

/** A data key as KMS has just made it. */
export interface WrappedKey {
  readonly kid: string;
  readonly wrapped: Uint8Array;
  /** The ARN of the KMS key that wrapped it. */
  readonly keyArn: string;
}

/**
 * The ring with its first active key: of an environment that has no ring yet, or one whose keys have all ended.
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
