import { type ControlState, ScbeError } from "@scbe/contracts";
import { killOf } from "@scbe/envelope/control";
import { flagOf } from "../api/flag-state.ts";
import { type Canary, type Intent, shareOf } from "./record.ts";

/** Whether the control document still has the share that the canary set. */
export type Place =
  | { readonly is: "held" }
  | { readonly is: "killed"; readonly why: string }
  | { readonly is: "changed"; readonly why: string };

/** Compares a provider's flag with the step of its canary. */
export function placeOf(canary: Pick<Canary, "provider" | "steps" | "step">, state: ControlState): Place {
  const kill = killOf(state, canary.provider);
  if (kill !== undefined) return { is: "killed", why: kill.reason || kill.cause };
  const expected = shareOf(canary);
  const { enabled, percentage } = effectiveFlag(state, canary.provider);
  if (!enabled) return { is: "changed", why: "a flag has switched the verification off" };
  if (percentage !== expected)
    return { is: "changed", why: `a flag has set the share to ${percentage} %, from ${expected} %` };
  return { is: "held" };
}

/**
 * The change of the control document of an intent.
 *
 * A raise applies to the generation on which it was decided. A controller that stalls between decision and change finds another generation
 * afterwards, if anything has changed, and raises nothing.
 * @throws ScbeError CONFLICT when a raise does not apply to this document any more
 */
export function shareChange(provider: string, intent: Intent): (state: ControlState) => ControlState {
  return intent.kind === "raise"
    ? (state) => raise(state, provider, intent)
    : (state) => lower(state, provider, intent.share);
}

/**
 * The change after which a raise cannot be made any more: it issues the document again unless it is already later than the intent's. The
 * share in the document then shows whether the raise was made.
 */
export function fenceOff({ generation }: Intent): (state: ControlState) => ControlState {
  return (state) => (state.generation <= generation ? { ...state } : state);
}

/** True when the document has the change of the intent. */
export function isCarriedOut({ provider }: Canary, intent: Intent, state: ControlState): boolean {
  const { enabled, percentage } = effectiveFlag(state, provider);
  return intent.kind === "lower" ? percentage <= intent.share : enabled && percentage === intent.share;
}

function raise(state: ControlState, provider: string, { share, generation }: Intent): ControlState {
  if (state.generation !== generation)
    throw new ScbeError("CONFLICT", "the control document was changed meanwhile; try again");
  if (killOf(state, provider) !== undefined)
    throw new ScbeError("CONFLICT", `the kill switch is engaged for ${provider}; release it first`);
  if (!state.scbe_envelope_verification.enabled)
    throw new ScbeError("CONFLICT", "scbe_envelope_verification is switched off; enable it first");
  const flag = effectiveFlag(state, provider);
  if (flag.enabled && flag.percentage === share) return state;
  return withFlag(state, provider, { enabled: true, traffic_percentage: share });
}

/** Applies to every state: a lower share and a flag that is off stay as they are. */
function lower(state: ControlState, provider: string, share: number): ControlState {
  const { enabled, traffic_percentage } = flagOf(state.scbe_envelope_verification, provider);
  if (traffic_percentage <= share) return state;
  return withFlag(state, provider, { enabled, traffic_percentage: share });
}

/** A provider's flag together with the flag of the whole verification. */
export function effectiveFlag(
  { scbe_envelope_verification: verification }: ControlState,
  provider: string,
): { readonly enabled: boolean; readonly percentage: number } {
  const { enabled, traffic_percentage } = flagOf(verification, provider);
  return { enabled: verification.enabled && enabled, percentage: traffic_percentage };
}

function withFlag(
  state: ControlState,
  provider: string,
  flag: { enabled: boolean; traffic_percentage: number },
): ControlState {
  const { scbe_envelope_verification: verification } = state;
  const providers = { ...verification.providers, [provider]: flag };
  return { ...state, scbe_envelope_verification: { ...verification, providers } };
}
