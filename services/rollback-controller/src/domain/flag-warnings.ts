import type { ControlState } from "@scbe/contracts";
import { killOf } from "@scbe/envelope/control";
import { flagOf } from "./merge-flags.ts";

/** What a state does to traffic that its author may not have meant, one sentence each. */
export function flagWarnings(
  state: ControlState,
  {
    providers,
    fallbackPermitted,
  }: { readonly providers: readonly string[]; readonly fallbackPermitted: boolean },
): readonly string[] {
  const standing = Object.keys(state.kill_switch.providers).map(
    (name) => `the kill switch of ${name} is engaged; it is released by itself, with "provider": "${name}"`,
  );
  return fallbackPermitted ? standing : [...refusals(state, providers), ...standing];
}

/** Where nothing may go unsealed, what is not sealed is refused. */
function refusals(state: ControlState, providers: readonly string[]): string[] {
  const { kill_switch, scbe_envelope_verification: verification } = state;
  const refused = "is refused, since no fallback is permitted here";
  if (kill_switch.all !== null) return kill_switch.all.mode === "fallback" ? [`all traffic ${refused}`] : [];
  if (!verification.enabled) return [`scbe_envelope_verification.enabled is false: all traffic ${refused}`];
  return providers.flatMap((name) => {
    const { enabled, traffic_percentage } = flagOf(verification, name);
    if (killOf(state, name) !== undefined || (enabled && traffic_percentage >= 100)) return [];
    const share = enabled ? 100 - traffic_percentage : 100;
    return [`${name}: ${share} % of its traffic ${refused}`];
  });
}
