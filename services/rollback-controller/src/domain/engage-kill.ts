import { CONTROL_PROVIDERS_MAX, type ControlState, type Kill, type KillCause } from "@scbe/contracts";

/** A kill, and of what. */
export interface Engaging {
  /** Absent: everything. */
  readonly provider?: string;
  readonly kill: Kill;
}

/** An integrity kill refuses, an availability kill may send in the clear: the first is never softened by the second. */
const STRENGTH: Readonly<Record<KillCause, number>> = { availability: 1, integrity: 2 };

/** The state with a kill in it; the same object where what is to be killed is killed already for as strong a cause. */
export function engageKill(state: ControlState, { provider, kill }: Engaging): ControlState {
  if (isKilled(state, { provider, cause: kill.cause })) return state;
  const { all, providers } = state.kill_switch;
  if (provider === undefined) return { ...state, kill_switch: { all: kill, providers } };
  const isFull = Object.keys(providers).length >= CONTROL_PROVIDERS_MAX;
  if (isFull && !Object.hasOwn(providers, provider)) return engageKill(state, { kill: stronger(kill, all) });
  return { ...state, kill_switch: { all, providers: { ...providers, [provider]: kill } } };
}

/** True when that is killed, for a cause at least as strong. */
export function isKilled(
  { kill_switch: { all, providers } }: ControlState,
  { provider, cause }: { readonly provider?: string | undefined; readonly cause: KillCause },
): boolean {
  const own = provider !== undefined && Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return [all, own].some((kill) => kill != null && STRENGTH[kill.cause] >= STRENGTH[cause]);
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

function stronger(kill: Kill, other: Kill | null): Kill {
  return other !== null && STRENGTH[other.cause] > STRENGTH[kill.cause] ? other : kill;
}
