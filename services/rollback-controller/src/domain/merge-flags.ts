import type { ControlState } from "@scbe/contracts";
import type { VerificationPatch } from "./flags-body.ts";

type Verification = ControlState["scbe_envelope_verification"];
type Flag = Verification["providers"][string];

/** What holds for a provider that the flags do not name. */
export const DEFAULT_FLAG: Flag = { enabled: true, traffic_percentage: 100 };

/** The state with the flags that `patch` names; all others stay. The same object where that changes nothing. */
export function mergeFlags(state: ControlState, patch: VerificationPatch): ControlState {
  const held = state.scbe_envelope_verification;
  const merged: Verification = {
    enabled: patch.enabled ?? held.enabled,
    providers: { ...held.providers, ...patchedFlags(held, patch) },
  };
  return isSame(held, merged) ? state : { ...state, scbe_envelope_verification: merged };
}

/** The flag of one provider, whether it is named or not. */
export function flagOf({ providers }: Verification, provider: string): Flag {
  return (Object.hasOwn(providers, provider) ? providers[provider] : undefined) ?? DEFAULT_FLAG;
}

function patchedFlags(held: Verification, { providers = {} }: VerificationPatch): Record<string, Flag> {
  const flags = Object.entries(providers).map(([name, patch]): [string, Flag] => {
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
