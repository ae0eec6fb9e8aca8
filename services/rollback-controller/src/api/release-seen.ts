import { type ControlState, type Kill, ScbeError } from "@scbe/contracts";
import { releaseKill } from "../control/state.ts";
import type { KillSwitchOrder } from "../domain/flags-body.ts";
import type { Change, Changed } from "../ports.ts";
import { Refusal } from "./refusal.ts";

/**
 * Releases the kill that stood when this was ordered, and no other: one that somebody engages meanwhile wins.
 * @throws Refusal 400 when a kill stands and no reason is given: a file of flags that is posted again and again must not release one
 */
export function releaseSeen({ provider, reason = "" }: KillSwitchOrder, seen: ControlState): Change {
  const before = killIn(seen, provider);
  if (before !== null && reason.trim() === "") {
    const problem = "must say why the kill switch is released";
    throw Refusal.ofFields([{ field: "scbe_kill_switch.reason", problem }]);
  }
  return (state) => {
    const now = killIn(state, provider);
    if (now === null) return state;
    if (before === null || now.since !== before.since || now.cause !== before.cause)
      throw new ScbeError("CONFLICT", "the kill switch was engaged meanwhile; look, and release it then");
    return releaseKill(state, provider);
  };
}

/** True when a change took out the kill that was to be released: that of everything, or that of the provider. */
export function isReleased({ provider }: KillSwitchOrder, { before, after }: Changed): boolean {
  return killIn(before, provider) !== null && killIn(after, provider) === null;
}

/** The kill of everything, or that of a provider alone. */
function killIn(
  { kill_switch: { all, providers } }: ControlState,
  provider: string | undefined,
): Kill | null {
  if (provider === undefined) return all;
  return (Object.hasOwn(providers, provider) ? providers[provider] : undefined) ?? null;
}
