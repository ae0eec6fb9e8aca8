import { CONTROL_PROVIDERS_MAX, type ControlState, type Kill, type KillCause } from "@scbe/contracts";

/** A kill, and of what. */
export interface Engaging {
  /** Absent: everything. */
  readonly provider?: string;
  readonly kill: Kill;
}

/** An integrity kill always refuses, an availability kill may send unsealed: the first is never softened by the second. */
const STRENGTH: Readonly<Record<KillCause, number>> = { availability: 1, integrity: 2 };

/**
 * The state with a kill in it; the same object where that very thing is killed already for as strong a cause. A provider is killed for
 * itself also while everything is: whoever releases everything has not seen why.
 */
export function engageKill(state: ControlState, { provider, kill }: Engaging): ControlState {
  const { all, providers } = state.kill_switch;
  if (provider === undefined)
    return isAsStrong(all, kill) ? state : { ...state, kill_switch: { all: kill, providers } };
  const own = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  if (isAsStrong(own, kill)) return state;
  const isFull = Object.keys(providers).length >= CONTROL_PROVIDERS_MAX;
  if (isFull && own === undefined) return engageKill(state, { kill });
  return { ...state, kill_switch: { all, providers: { ...providers, [provider]: kill } } };
}

/** The state with all the kills of another one in it; the same object where it has them already. */
export function addKills(
  state: ControlState,
  { kill_switch: { all, providers } }: ControlState,
): ControlState {
  const kills: Engaging[] = Object.entries(providers).map(([provider, kill]) => ({ provider, kill }));
  if (all !== null) kills.push({ kill: all });
  return kills.reduce(engageKill, state);
}

function isAsStrong(standing: Kill | null | undefined, { cause }: Kill): boolean {
  return standing != null && STRENGTH[standing.cause] >= STRENGTH[cause];
}
