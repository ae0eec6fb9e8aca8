import type { ControlState } from "@scbe/contracts";
import { chooseFallback } from "../domain/fallback.ts";
import { FlagsBody, type KillSwitchOrder, unknownProviders } from "../domain/flags-body.ts";
import { mergeFlags } from "../domain/merge-flags.ts";
import { FlagsView } from "../domain/show-flags.ts";
import type { Actor, Change, Changed } from "../ports.ts";
import type { ApiPorts } from "./api-ports.ts";
import { apiRoute } from "./api-route.ts";
import { tooWeak } from "./authorize.ts";
import { flagsView, inForce } from "./in-force.ts";
import { Refusal } from "./refusal.ts";
import { isReleased, releaseSeen } from "./release-seen.ts";

/** `POST /feature-flags` */
export const postFeatureFlags = apiRoute({
  method: "POST",
  path: "/feature-flags",
  summary: "Changes flags, engages or releases the kill switch",
  description:
    "A merge: what the body does not name stays as it is. An emergency token may engage the kill switch and nothing else. " +
    "A kill is sent first, and counted against no rate; all the rest of a body is one change, done whole or not at all.",
  access: ["admin", "emergency"],
  body: FlagsBody,
  answer: FlagsView,
  refuses: [403, 409, 503],
  isUncounted: ({ scbe_kill_switch: order }) => order?.enabled === true,
  handle: async ({ body, by, role }, ports) => {
    const unknown = unknownProviders(body, ports.providers);
    if (unknown.length > 0) throw Refusal.ofFields(unknown);
    if (role === "emergency" && !isOnlyKill(body)) throw tooWeak({ name: by, role }, ["admin"]);
    const { scbe_kill_switch: order } = body;
    const killed = order?.enabled === true ? await kill(order, by, ports) : undefined;
    const changed = await changeRest(body, by, ports).catch((error: unknown) => {
      throw killed === undefined ? error : halfDone(error);
    });
    const view = flagsView(changed?.after ?? killed ?? inForce(ports), ports);
    if (order?.enabled !== false || changed === undefined) return view;
    return { ...view, kill_switch_released: isReleased(order, changed) };
  },
});

function isOnlyKill(body: FlagsBody): boolean {
  const { scbe_kill_switch: order, scbe_envelope_verification: flags, scbe_fallback: fallback } = body;
  return order?.enabled === true && flags === undefined && fallback === undefined;
}

async function kill(
  { provider, cause = "availability", reason = "" }: KillSwitchOrder,
  by: string,
  { plane }: ApiPorts,
): Promise<ControlState> {
  const order = { cause, ...(provider !== undefined && { provider }) };
  return (await plane.kill(order, { by, reason })).after;
}

/** Changes all that is no kill; `undefined`: there was nothing to change. */
async function changeRest(body: FlagsBody, by: string, ports: ApiPorts): Promise<Changed | undefined> {
  const { scbe_envelope_verification: patch, scbe_kill_switch: order, scbe_fallback: fallback } = body;
  const release = order?.enabled === false ? releaseSeen(order, inForce(ports)) : undefined;
  if (patch === undefined && release === undefined && fallback === undefined) return undefined;
  const change: Change = (state) => {
    const released = release?.(state) ?? state;
    const merged = patch === undefined ? released : mergeFlags(released, patch);
    return fallback === undefined ? merged : chooseFallback(merged, fallback.causes);
  };
  return ports.plane.change(change, actorOf(body, by));
}

function actorOf({ reason, scbe_kill_switch: order, scbe_fallback: fallback }: FlagsBody, by: string): Actor {
  return { by, reason: fallback?.reason || reason || order?.reason || "no reason given" };
}

/** Whoever ordered a kill and more must know that the kill was sent. */
function halfDone(error: unknown): Refusal {
  const refusal = Refusal.of(error);
  if (refusal === undefined) throw error;
  const title = `the kill switch is engaged; the rest was not done: ${refusal.body.title}`;
  return new Refusal(refusal.status, { ...refusal.body, title, kill_switch_engaged: true }, refusal.headers);
}
