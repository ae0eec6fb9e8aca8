import { expire } from "./expire.ts";
import { isActive, type Ring } from "./ring.ts";

/** What the keyring does next to bring KV and its own memory together. */
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
 * The one decision of the keyring about its ring. A stored ring that is older than the one in memory never wins, since a
 * key that was retired would open again: KV was emptied or rolled back, so the newer one is put back.
 * @param stored what KV holds; undefined: nothing
 * @param held what this process holds; undefined: nothing yet
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
