import type { GrantMeta } from "@scbe/contracts";
import { endOf, openable } from "./openable.ts";
import { isActive, type Ring } from "./ring.ts";

/**
 * What a grant for `kid` is about, empty for the active one; undefined when the ring has no such key, or it may not open
 * any more. Retired, compromised and never heard of are one answer.
 */
export function chooseKey(
  ring: Ring,
  kid: string,
  { nowMs, decryptOnlyMaxMs }: { readonly nowMs: number; readonly decryptOnlyMaxMs: number },
): GrantMeta | undefined {
  const keys = openable(ring, nowMs, decryptOnlyMaxMs);
  const key = kid === "" ? keys.find(isActive) : keys.find((candidate) => candidate.kid === kid);
  if (key === undefined) return undefined;
  return {
    kid: key.kid,
    state: key.state,
    not_after: endOf(key, decryptOnlyMaxMs),
    ring_generation: ring.generation,
  };
}
