import type { ControlState, Environment } from "@scbe/contracts";

/**
 * What holds where nothing was ever stored: every provider sealed and verified, nothing killed, nothing ever unsealed. Its generation is the lowest there
 * is, since nobody has decided it: a verifier that remembers another document keeps that one.
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
