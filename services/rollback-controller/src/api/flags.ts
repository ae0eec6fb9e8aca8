import { CONTROL_PROVIDERS_MAX, type ControlState, FALLBACK_CAUSES, Name, ScbeError } from "@scbe/contracts";
import { z } from "zod";
import type { Actor, Change, Changed } from "../ports.ts";
import { type FieldProblem, GivenReason, notOneOf, Reason } from "./fields.ts";
import { chooseFallback, mergeFlags } from "./flag-state.ts";
import { FlagsView, viewFlags } from "./flags-view.ts";
import { isReleased, KillSwitchOrder, kill, releaseSeen } from "./kill.ts";
import { Refusal } from "./refusal.ts";
import { type ApiPorts, apiRoute } from "./route.ts";

const Enabled = z.boolean({ error: "expected true or false" });

const ProviderFlagPatch = z
  .strictObject({
    enabled: Enabled.optional().describe("false: nothing of this provider's traffic is sealed"),
    traffic_percentage: z
      .int({ error: "expected an integer from 0 to 100" })
      .min(0, { error: "expected an integer from 0 to 100" })
      .max(100, { error: "expected an integer from 0 to 100" })
      .optional()
      .describe("How much of this provider's traffic is sealed and verified, in percent"),
  })
  .meta({ id: "ProviderFlagPatch" });

const VerificationPatch = z
  .strictObject({
    enabled: Enabled.optional(),
    providers: z
      .record(Name, ProviderFlagPatch)
      .refine((it) => Object.keys(it).length <= CONTROL_PROVIDERS_MAX, { error: "names too many providers" })
      .optional(),
  })
  .meta({ id: "VerificationPatch" });

/** An administrator's choice, which replaces the one before. */
const FallbackChoice = z
  .strictObject({
    causes: z
      .array(
        z.enum(FALLBACK_CAUSES, {
          error: `expected ${FALLBACK_CAUSES.join(" or ")}; integrity always refuses`,
        }),
      )
      .max(FALLBACK_CAUSES.length, { error: "names a cause twice" })
      .describe(
        "availability: kills for that cause; flags: what the flags leave outside of a share. [] has everything refused",
      ),
    reason: GivenReason,
  })
  .meta({ id: "FallbackChoice" });

/** Body of `POST /feature-flags`: what it does not name stays as it is. */
const FlagsBody = z
  .strictObject({
    scbe_envelope_verification: VerificationPatch.optional(),
    scbe_kill_switch: KillSwitchOrder.optional(),
    scbe_fallback: FallbackChoice.optional().describe("Admin tokens alone"),
    reason: Reason.optional().describe("Why the flags are changed; stands in the audit"),
  })
  .meta({ id: "FeatureFlagsPatch" });
type FlagsBody = z.infer<typeof FlagsBody>;

/** `GET /feature-flags` */
export const getFeatureFlags = apiRoute({
  method: "GET",
  path: "/feature-flags",
  summary: "The flags and the kill switch that are in force",
  access: ["admin", "emergency"],
  answer: FlagsView,
  refuses: [503],
  handle: (_call, ports) => view(stateInForce(ports), ports),
});

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
    if (role === "emergency" && !isOnlyKill(body)) throw Refusal.ofRole({ name: by, role }, ["admin"]);
    const { scbe_kill_switch: order } = body;
    const killed = order?.enabled === true ? await kill(order, by, ports.plane) : undefined;
    const changed = await changeRest(body, by, ports).catch((error: unknown) => {
      throw killed === undefined ? error : halfDone(error);
    });
    const answer = view(changed?.after ?? killed ?? stateInForce(ports), ports);
    if (order?.enabled !== false || changed === undefined) return answer;
    return { ...answer, kill_switch_released: isReleased(order, changed) };
  },
});

/** The state in force. @throws ScbeError NOT_READY before the store was read */
export function stateInForce({ plane }: Pick<ApiPorts, "plane">): ControlState {
  if (plane.current !== undefined) return plane.current.state;
  throw new ScbeError(
    "NOT_READY",
    "the control document was not read yet; see /readyz, or ask another controller",
  );
}

function view(state: ControlState, { providers, plane, clock }: ApiPorts): FlagsView {
  return viewFlags(state, { providers, verifiers: plane.verifiers(), now: clock.now() });
}

/** The providers in a body that this deployment does not serve. */
function unknownProviders(
  { scbe_envelope_verification, scbe_kill_switch }: FlagsBody,
  providers: readonly string[],
): readonly FieldProblem[] {
  const problem = notOneOf(providers);
  const flagged = Object.keys(scbe_envelope_verification?.providers ?? {})
    .filter((name) => !providers.includes(name))
    .map((name) => ({ field: `scbe_envelope_verification.providers.${name}`, problem }));
  const killed = scbe_kill_switch?.provider;
  if (killed === undefined || providers.includes(killed)) return flagged;
  return [...flagged, { field: "scbe_kill_switch.provider", problem }];
}

function isOnlyKill(body: FlagsBody): boolean {
  const { scbe_kill_switch: order, scbe_envelope_verification: flags, scbe_fallback: fallback } = body;
  return order?.enabled === true && flags === undefined && fallback === undefined;
}

/** Makes all changes of a body but its kill, as one; `undefined`: there is nothing to change. */
async function changeRest(body: FlagsBody, by: string, ports: ApiPorts): Promise<Changed | undefined> {
  const { scbe_envelope_verification: patch, scbe_kill_switch: order, scbe_fallback: fallback } = body;
  const release = order?.enabled === false ? releaseSeen(order, stateInForce(ports)) : undefined;
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

/** The refusal of the rest of a body whose kill was sent: the client must know of the kill. */
function halfDone(error: unknown): Refusal {
  const refusal = Refusal.of(error);
  if (refusal === undefined) throw error;
  const title = `the kill switch is engaged; the rest was not done: ${refusal.body.title}`;
  return new Refusal(refusal.status, { ...refusal.body, title, kill_switch_engaged: true }, refusal.headers);
}
