import { isDeepStrictEqual } from "node:util";
import {
  CONTROL_PROVIDERS_MAX,
  type ControlAction,
  type ControlState,
  type Environment,
  isScbeError,
  type Kill,
  type KillCause,
  ScbeError,
} from "@scbe/contracts";
import { flagOf } from "../api/flag-state.ts";
import { CANARY_ACTOR } from "../canary/advance.ts";
import type { Change } from "../ports.ts";

/**
 * The state of a deployment that has never stored one: every provider is sealed and verified, nothing is killed, nothing is sent unsealed.
 * Its generation is the lowest, because no decision is behind it: a verifier that remembers another document keeps that one.
 */
export function firstState(env: Environment, providers: readonly string[]): ControlState {
  const flags = providers.map((provider) => [provider, { enabled: true, traffic_percentage: 100 }] as const);
  return {
    v: 1,
    env,
    generation: 1,
    issued_at: 0,
    after: 0,
    kill_switch: { all: null, providers: {} },
    scbe_envelope_verification: { enabled: true, providers: Object.fromEntries(flags) },
    fallback: { causes: [] },
    skew_window: null,
  };
}

/** A kill and its scope. */
export interface ScopedKill {
  /** Absent: everything. */
  readonly provider?: string;
  readonly kill: Kill;
}

/** An integrity kill always refuses traffic; an availability kill may send it unsealed. The weaker one never replaces the stronger. */
const STRENGTH: Readonly<Record<KillCause, number>> = { availability: 1, integrity: 2 };

/**
 * The state with a kill in it; the same object if that scope is already killed for as strong a cause. A provider gets its own kill even
 * while everything is killed: a release of everything is no decision about that provider.
 */
export function engageKill(state: ControlState, { provider, kill }: ScopedKill): ControlState {
  const { all, providers } = state.kill_switch;
  if (provider === undefined)
    return isAsStrong(all, kill) ? state : { ...state, kill_switch: { all: kill, providers } };
  const own = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  if (isAsStrong(own, kill)) return state;
  const isFull = Object.keys(providers).length >= CONTROL_PROVIDERS_MAX;
  if (isFull && own === undefined) return engageKill(state, { kill });
  return { ...state, kill_switch: { all, providers: { ...providers, [provider]: kill } } };
}

/** The state with all kills of another state in it; the same object if it already has them. */
export function addKills(
  state: ControlState,
  { kill_switch: { all, providers } }: ControlState,
): ControlState {
  const kills: ScopedKill[] = Object.entries(providers).map(([provider, kill]) => ({ provider, kill }));
  if (all !== null) kills.push({ kill: all });
  return kills.reduce(engageKill, state);
}

/**
 * The state without the kill of everything, or without the kill of one provider; neither release includes the other. The same object if
 * there is no such kill.
 */
export function releaseKill(state: ControlState, provider?: string): ControlState {
  const { all, providers } = state.kill_switch;
  if (provider === undefined)
    return all === null ? state : { ...state, kill_switch: { all: null, providers } };
  if (!Object.hasOwn(providers, provider)) return state;
  const { [provider]: _released, ...others } = providers;
  return { ...state, kill_switch: { all, providers: others } };
}

/** The share of a provider's requests that the flags have sealed and verified, from 0 to 1. It ignores kills. */
export function sealedShare(
  verification: ControlState["scbe_envelope_verification"],
  provider: string,
): number {
  const { enabled, traffic_percentage } = flagOf(verification, provider);
  return verification.enabled && enabled ? traffic_percentage / 100 : 0;
}

/** The action that a change is recorded as; if it did several things, the most serious one. */
export function actionOf(before: ControlState, after: ControlState, by: string): ControlAction {
  if (addKills(before, after) !== before) return "kill";
  if (addKills(after, before) !== after) return "release";
  const differs = (member: keyof ControlState): boolean => !isDeepStrictEqual(before[member], after[member]);
  if (differs("fallback")) return "fallback";
  if (differs("scbe_envelope_verification")) return by === CANARY_ACTOR ? "canary" : "flags";
  return differs("skew_window") ? "skew-window" : "other";
}

/** The state after a change. {@link changeFailure} unwraps what the change itself throws. */
export function applyChange(change: Change, state: ControlState): ControlState {
  try {
    return change(state);
  } catch (cause) {
    throw new ChangeRefused(cause);
  }
}

/** The error that the caller of a change gets: what the change threw, or NOT_READY if the store failed. */
export function changeFailure(error: unknown): unknown {
  return error instanceof ChangeRefused ? error.cause : storeFailure(error);
}

/** Separates a change's own refusal from failures of the store. */
class ChangeRefused extends Error {
  constructor(cause: unknown) {
    super("the change does not apply", { cause });
  }
}

/** A write that timed out may still be carried out later. */
function storeFailure(cause: unknown): unknown {
  if (!isScbeError(cause) || cause.code === "DISCONNECTED" || cause.code === "BAD_REQUEST") return cause;
  return new ScbeError("NOT_READY", `the control document could not be stored: ${cause.message}`, { cause });
}

function isAsStrong(current: Kill | null | undefined, { cause }: Kill): boolean {
  return current != null && STRENGTH[current.cause] >= STRENGTH[cause];
}
