import type { RingState } from "@scbe/contracts";
import { endOf } from "./openable.ts";
import type { Ring } from "./ring.ts";

/** What verifiers are told of a ring: its states and their ends, and nothing of its keys. */
export function ringState(ring: Ring, decryptOnlyMaxMs: number): RingState {
  const keys = ring.keys.map((key) => ({
    kid: key.kid,
    state: key.state,
    not_after: endOf(key, decryptOnlyMaxMs),
  }));
  return { env: ring.env, generation: ring.generation, keys };
}
