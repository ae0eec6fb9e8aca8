import { type ControlState, KILL_CAUSES, type Kill, Name, ScbeError } from "@scbe/contracts";
import { z } from "zod";
import { releaseKill } from "../control/state.ts";
import type { Change, Changed, ControlPlane } from "../ports.ts";
import { Reason } from "./fields.ts";
import { Refusal } from "./refusal.ts";

/** Engages or releases the kill switch, in the body of `POST /feature-flags`. */
export const KillSwitchOrder = z
  .strictObject({
    enabled: z.boolean({ error: "expected true or false" }).describe("true engages it, false releases it"),
    reason: Reason.optional().describe("Required to engage it, and to release what is engaged"),
    cause: z
      .enum(KILL_CAUSES, { error: `expected one of ${KILL_CAUSES.join(", ")}` })
      .optional()
      .describe(
        "integrity: traffic is refused; availability (the default): likewise, unless scbe_fallback has chosen otherwise beforehand",
      ),
    provider: Name.optional().describe("This one alone; absent: everything"),
  })
  .superRefine(({ enabled, reason, cause }, context) => {
    if (enabled && (reason ?? "").trim() === "")
      context.addIssue({
        code: "custom",
        path: ["reason"],
        message: "must say why the kill switch is engaged",
      });
    if (!enabled && cause !== undefined)
      context.addIssue({ code: "custom", path: ["cause"], message: "goes with enabled: true alone" });
  })
  .meta({ id: "KillSwitchOrder" });
export type KillSwitchOrder = z.infer<typeof KillSwitchOrder>;

/** Engages the kill switch. @returns the state with the kill */
export async function kill(
  { provider, cause = "availability", reason = "" }: KillSwitchOrder,
  by: string,
  plane: Pick<ControlPlane, "kill">,
): Promise<ControlState> {
  const order = { cause, ...(provider !== undefined && { provider }) };
  return (await plane.kill(order, { by, reason })).after;
}

/**
 * The change that releases the kill in the state that the client saw, and no other: a kill that is engaged meanwhile stays.
 * @throws Refusal 400 when a kill is engaged and the order has no reason: a file of flags that is posted repeatedly must not release one
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

/** True when the change removed the kill that the order names. */
export function isReleased({ provider }: KillSwitchOrder, { before, after }: Changed): boolean {
  return killIn(before, provider) !== null && killIn(after, provider) === null;
}

/** The kill of everything, or the provider's own. */
function killIn(
  { kill_switch: { all, providers } }: ControlState,
  provider: string | undefined,
): Kill | null {
  if (provider === undefined) return all;
  return (Object.hasOwn(providers, provider) ? providers[provider] : undefined) ?? null;
}
