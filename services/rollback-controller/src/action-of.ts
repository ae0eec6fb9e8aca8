import { isDeepStrictEqual } from "node:util";
import type { ControlAction, ControlState } from "@scbe/contracts";
import { CANARY_ACTOR } from "./canary/advance.ts";
import { addKills } from "./domain/engage-kill.ts";

/** What a change was about: of several things the weightiest. */
export function actionOf(before: ControlState, after: ControlState, by: string): ControlAction {
  if (addKills(before, after) !== before) return "kill";
  if (addKills(after, before) !== after) return "release";
  const differs = (part: keyof ControlState): boolean => !isDeepStrictEqual(before[part], after[part]);
  if (differs("fallback")) return "fallback";
  if (differs("scbe_envelope_verification")) return by === CANARY_ACTOR ? "canary" : "flags";
  return differs("skew_window") ? "skew-window" : "other";
}
