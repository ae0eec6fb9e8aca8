import { type ControlState, ScbeError } from "@scbe/contracts";
import { killOf } from "@scbe/envelope/control";
import type { Canary, Intent } from "./canary-record.ts";
import { flagOf } from "./place-of.ts";

/**
 * The change of the control document that an intent stands for.
 *
 * A raise is for one generation of the document: whoever decided it knew that one. A controller that stalls between its decision and its
 * change finds another generation when it comes back, whatever has happened meanwhile, and raises nothing.
 * @throws ScbeError CONFLICT when a raise is not for this document any more
 */
export function shareChange(provider: string, intent: Intent): (state: ControlState) => ControlState {
  return intent.kind === "raise"
    ? (state) => raise(state, provider, intent)
    : (state) => lower(state, provider, intent.share);
}

/**
 * Ends the time in which a raise can be made: where the document is not yet a later one than that of the intent, it is issued once more.
 * Then the share that stands in it is what became of the intent.
 */
export function fenceOff({ generation }: Intent): (state: ControlState) => ControlState {
  return (state) => (state.generation <= generation ? { ...state } : state);
}

/** True when the document has what the intent is about. */
export function isCarriedOut({ provider }: Canary, intent: Intent, state: ControlState): boolean {
  const { enabled, percentage } = flagOf(state, provider);
  return intent.kind === "lower" ? percentage <= intent.share : enabled && percentage === intent.share;
}

function raise(state: ControlState, provider: string, { share, generation }: Intent): ControlState {
  if (state.generation !== generation)
    throw new ScbeError("CONFLICT", "somebody else has changed the control document; try again");
  if (killOf(state, provider) !== undefined)
    throw new ScbeError("CONFLICT", `the kill switch is engaged for ${provider}; release it first`);
  if (!state.scbe_envelope_verification.enabled)
    throw new ScbeError("CONFLICT", "scbe_envelope_verification is switched off; enable it first");
  const flag = flagOf(state, provider);
  if (flag.enabled && flag.percentage === share) return state;
  return withFlag(state, provider, { enabled: true, traffic_percentage: share });
}

/** Whatever else has happened: a share that is lower already, and a flag that is off, stay as they are. */
function lower(state: ControlState, provider: string, share: number): ControlState {
  const { providers } = state.scbe_envelope_verification;
  const flag = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  if (flagOf(state, provider).percentage <= share) return state;
  return withFlag(state, provider, { enabled: flag?.enabled ?? true, traffic_percentage: share });
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
