import { type ControlState, FALLBACK_CAUSES, type FallbackCause } from "@scbe/contracts";

type Verification = ControlState["scbe_envelope_verification"];
/** What the flags say of one provider. */
export type ProviderFlag = Verification["providers"][string];

/** Changes of the flags; what is absent stays as it is. */
export interface VerificationPatch {
  readonly enabled?: boolean | undefined;
  readonly providers?: Readonly<Record<string, ProviderFlagPatch>> | undefined;
}

interface ProviderFlagPatch {
  readonly enabled?: boolean | undefined;
  readonly traffic_percentage?: number | undefined;
}

/** The flag of a provider that the flags do not name. */
export const DEFAULT_FLAG: ProviderFlag = { enabled: true, traffic_percentage: 100 };

/** The flag of one provider, named or not. */
export function flagOf({ providers }: Verification, provider: string): ProviderFlag {
  return (Object.hasOwn(providers, provider) ? providers[provider] : undefined) ?? DEFAULT_FLAG;
}

/** The state after the patch; the same object where the patch changes nothing. */
export function mergeFlags(state: ControlState, patch: VerificationPatch): ControlState {
  const held = state.scbe_envelope_verification;
  const merged: Verification = {
    enabled: patch.enabled ?? held.enabled,
    providers: { ...held.providers, ...patchedFlags(held, patch) },
  };
  return isSame(held, merged) ? state : { ...state, scbe_envelope_verification: merged };
}

function patchedFlags(
  held: Verification,
  { providers = {} }: VerificationPatch,
): Record<string, ProviderFlag> {
  const flags = Object.entries(providers).map(([name, patch]): [string, ProviderFlag] => {
    const { enabled, traffic_percentage } = flagOf(held, name);
    return [
      name,
      {
        enabled: patch.enabled ?? enabled,
        traffic_percentage: patch.traffic_percentage ?? traffic_percentage,
      },
    ];
  });
  return Object.fromEntries(flags);
}

function isSame(held: Verification, next: Verification): boolean {
  const names = new Set([...Object.keys(held.providers), ...Object.keys(next.providers)]);
  return (
    held.enabled === next.enabled &&
    [...names].every((name) => {
      const [before, after] = [flagOf(held, name), flagOf(next, name)];
      return before.enabled === after.enabled && before.traffic_percentage === after.traffic_percentage;
    })
  );
}

/** The state with exactly those fallback causes; the same object where it has them already. */
export function chooseFallback(state: ControlState, causes: readonly FallbackCause[]): ControlState {
  const chosen = FALLBACK_CAUSES.filter((cause) => causes.includes(cause));
  return chosen.join() === state.fallback.causes.join() ? state : { ...state, fallback: { causes: chosen } };
}
