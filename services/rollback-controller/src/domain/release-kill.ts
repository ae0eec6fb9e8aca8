import type { ControlState } from "@scbe/contracts";

/**
 * The state without the kill of everything, or without the one of a provider; each stands for itself. The same object where
 * there is none to release.
 */
export function releaseKill(state: ControlState, provider?: string): ControlState {
  const { all, providers } = state.kill_switch;
  if (provider === undefined)
    return all === null ? state : { ...state, kill_switch: { all: null, providers } };
  if (!Object.hasOwn(providers, provider)) return state;
  const { [provider]: _released, ...others } = providers;
  return { ...state, kill_switch: { all, providers: others } };
}
