import type { ControlState } from "@scbe/contracts";
import { killOf, modeOf } from "@scbe/envelope/control";
import type { VerifierReport } from "../ports.ts";
import { showFallback } from "./fallback.ts";
import { flagOf } from "./merge-flags.ts";

export interface WarningFacts {
  readonly providers: readonly string[];
  readonly verifiers: readonly VerifierReport[];
}

/** What a state does to traffic that its author may not have meant, one sentence each. */
export function flagWarnings(state: ControlState, facts: WarningFacts): readonly string[] {
  const standing = Object.keys(state.kill_switch.providers).map(
    (name) => `the kill switch of ${name} is engaged; it is released by itself, with "provider": "${name}"`,
  );
  return [...unsealed(state, facts), ...standing, ...lastingChoice(state)];
}

/** What is taken out of the path, where its cause has it refused or sent unsealed. */
function unsealed(state: ControlState, facts: WarningFacts): string[] {
  const { kill_switch, scbe_envelope_verification: verification } = state;
  if (kill_switch.all !== null) {
    const isMeant = kill_switch.all.cause === "integrity";
    return isMeant ? [] : [`all traffic ${fate(state, "availability", facts)}`];
  }
  const byFlags = fate(state, "flags", facts);
  if (!verification.enabled) return [`scbe_envelope_verification.enabled is false: all traffic ${byFlags}`];
  return facts.providers.flatMap((name) => {
    const { enabled, traffic_percentage } = flagOf(verification, name);
    if (killOf(state, name) !== undefined || (enabled && traffic_percentage >= 100)) return [];
    const share = enabled ? 100 - traffic_percentage : 100;
    return [`${name}: ${share} % of its traffic ${byFlags}`];
  });
}

function fate(state: ControlState, cause: "availability" | "flags", { verifiers }: WarningFacts): string {
  if (modeOf(state, cause) === "disabled")
    return `is refused: fallback is not chosen for ${cause} (scbe_fallback)`;
  const { permitted_by: permitting, verifiers: known } = showFallback(state, verifiers);
  if (known > 0 && permitting === 0) return "is refused: no verifier permits fallback (SCBE_FALLBACK)";
  if (permitting < known)
    return `goes unsealed at ${permitting} of ${known} verifiers, and is refused at the others`;
  return "goes unsealed";
}

/** Then a kill decides what travels in the clear. */
function lastingChoice(state: ControlState): string[] {
  const isOpen = state.kill_switch.all === null && modeOf(state, "availability") === "fallback";
  return isOpen
    ? [
        "fallback is chosen for availability: each kill for that cause, by an alert too, has traffic go unsealed",
      ]
    : [];
}
