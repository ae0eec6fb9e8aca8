import { type ControlState, FALLBACK_CAUSES, KILL_CAUSES, type Kill, type KillMode } from "@scbe/contracts";
import { killOf, modeOf } from "@scbe/envelope/control";
import { z } from "zod";
import { KILL_MODES } from "../alerts/processed-state.ts";
import type { VerifierReport } from "../ports.ts";
import { flagOf } from "./flag-state.ts";

const KillView = z
  .object({
    enabled: z.boolean(),
    reason: z.string(),
    mode: z.enum(KILL_MODES).optional().describe("What becomes of the traffic"),
    cause: z.enum(KILL_CAUSES).optional(),
    since: z.iso.datetime().optional(),
  })
  .meta({ id: "Kill" });
export type KillView = z.infer<typeof KillView>;

/** The kill switch of everything, and beside it those of single providers. */
export const KillSwitchView = KillView.extend({
  providers: z.record(z.string(), KillView).optional(),
}).meta({ id: "KillSwitch" });
export type KillSwitchView = z.infer<typeof KillSwitchView>;

/** The chosen fallback causes, and how many verifiers permit them. */
export const FallbackView = z
  .object({
    causes: z
      .array(z.enum(FALLBACK_CAUSES))
      .describe("For these, traffic goes unsealed instead of being refused"),
    permitted_by: z.int().describe("Verifiers whose SCBE_FALLBACK is allow"),
    verifiers: z
      .int()
      .describe("Verifiers that this controller has heard of; only the one that leads hears them"),
  })
  .meta({ id: "Fallback" });
export type FallbackView = z.infer<typeof FallbackView>;

export const SkewWindowView = z
  .object({ seconds: z.int(), until: z.iso.datetime(), reason: z.string() })
  .nullable()
  .meta({ id: "SkewWindow" });
export type SkewWindowView = z.infer<typeof SkewWindowView>;

/** Answer of `/feature-flags`: the whole state. */
export const FlagsView = z
  .object({
    scbe_envelope_verification: z.object({
      enabled: z.boolean(),
      providers: z.record(z.string(), z.object({ enabled: z.boolean(), traffic_percentage: z.int() })),
    }),
    scbe_kill_switch: KillSwitchView,
    scbe_fallback: FallbackView,
    skew_window: SkewWindowView,
    generation: z.int(),
    issued_at: z.iso.datetime(),
    warnings: z.array(z.string()).describe("What a person should know of this state"),
    kill_switch_released: z
      .boolean()
      .optional()
      .describe(
        "Of a release that was ordered: false when that kill did not stand, so that nothing was released",
      ),
  })
  .meta({ id: "FeatureFlags" });
export type FlagsView = z.infer<typeof FlagsView>;

export interface WarningFacts {
  readonly providers: readonly string[];
  readonly verifiers: readonly VerifierReport[];
}

export interface FlagsFacts extends WarningFacts {
  /** ms since the Unix epoch */
  readonly now: number;
}

/** The state in the shape in which clients change it. It names every provider of the deployment, also those without a flag. */
export function viewFlags(state: ControlState, facts: FlagsFacts): FlagsView {
  const { scbe_envelope_verification: verification, generation, issued_at } = state;
  const names = [...new Set([...facts.providers, ...Object.keys(verification.providers)])];
  return {
    scbe_envelope_verification: {
      enabled: verification.enabled,
      providers: Object.fromEntries(names.map((name) => [name, flagOf(verification, name)])),
    },
    scbe_kill_switch: viewKillSwitch(state, facts.verifiers),
    scbe_fallback: viewFallback(state, facts.verifiers),
    skew_window: viewSkewWindow(state, facts.now),
    generation,
    issued_at: timeOf(issued_at),
    warnings: [...flagWarnings(state, facts)],
  };
}

/** Open routes show this, so it does not name the actor of a kill; the audit does. */
export function viewKillSwitch(state: ControlState, verifiers: readonly VerifierReport[]): KillSwitchView {
  const { all, providers } = state.kill_switch;
  const view = (kill: Kill): KillView => viewKill(kill, actualMode(state, kill.cause, verifiers));
  const killed = Object.entries(providers).map(([name, kill]) => [name, view(kill)] as const);
  const everything = all === null ? { enabled: false, reason: "" } : view(all);
  return { ...everything, ...(killed.length > 0 && { providers: Object.fromEntries(killed) }) };
}

function viewKill({ reason, cause, since }: Kill, mode: KillView["mode"]): KillView {
  return { enabled: true, reason, mode, cause, since: timeOf(since) };
}

export function viewFallback(
  { fallback: { causes } }: ControlState,
  verifiers: readonly VerifierReport[],
): FallbackView {
  const permitted_by = verifiers.filter(({ permitsFallback }) => permitsFallback).length;
  return { causes: [...causes], permitted_by, verifiers: verifiers.length };
}

/** Null for an expired window, although the document still has it. */
export function viewSkewWindow({ skew_window: window }: ControlState, now: number): SkewWindowView {
  if (window === null || window.until <= now) return null;
  return { seconds: window.seconds, until: timeOf(window.until), reason: window.reason };
}

/**
 * What happens to traffic that a cause takes out of the path. Where no known verifier permits fallback, it is refused, whatever was chosen.
 * Without any known verifier this is what the document says.
 */
export function actualMode(
  state: ControlState,
  cause: Parameters<typeof modeOf>[1],
  verifiers: readonly VerifierReport[],
): KillMode {
  const isPossible = verifiers.length === 0 || verifiers.some(({ permitsFallback }) => permitsFallback);
  return isPossible ? modeOf(state, cause) : "disabled";
}

/** Effects of a state on traffic that its author may not have meant, one sentence each. */
export function flagWarnings(state: ControlState, facts: WarningFacts): readonly string[] {
  const killed = Object.keys(state.kill_switch.providers).map(
    (name) => `the kill switch of ${name} is engaged; it is released by itself, with "provider": "${name}"`,
  );
  return [...unsealedWarnings(state, facts), ...killed, ...availabilityWarnings(state)];
}

function unsealedWarnings(state: ControlState, facts: WarningFacts): string[] {
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
  const { permitted_by: permitting, verifiers: known } = viewFallback(state, verifiers);
  if (known > 0 && permitting === 0) return "is refused: no verifier permits fallback (SCBE_FALLBACK)";
  if (permitting < known)
    return `goes unsealed at ${permitting} of ${known} verifiers, and is refused at the others`;
  return "goes unsealed";
}

/** With this choice a later kill decides what travels in the clear. */
function availabilityWarnings(state: ControlState): string[] {
  const isOpen = state.kill_switch.all === null && modeOf(state, "availability") === "fallback";
  return isOpen
    ? [
        "fallback is chosen for availability: each kill for that cause, by an alert too, has traffic go unsealed",
      ]
    : [];
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
