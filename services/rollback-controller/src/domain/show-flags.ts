import { type ControlState, KILL_CAUSES, type Kill } from "@scbe/contracts";
import { z } from "zod";
import { KILL_MODES } from "../alerts/processed-state.ts";
import type { VerifierReport } from "../ports.ts";
import { actualMode, FallbackView, showFallback } from "./fallback.ts";
import { flagWarnings } from "./flag-warnings.ts";
import { flagOf } from "./merge-flags.ts";

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

export interface FlagsSetting {
  readonly providers: readonly string[];
  readonly verifiers: readonly VerifierReport[];
  /** ms since the Unix epoch */
  readonly now: number;
}

/** What is in force, in the shape in which it is changed. Each provider of the deployment is named, also where no flag names it. */
export function showFlags(state: ControlState, setting: FlagsSetting): FlagsView {
  const { scbe_envelope_verification: verification, generation, issued_at } = state;
  const names = [...new Set([...setting.providers, ...Object.keys(verification.providers)])];
  return {
    scbe_envelope_verification: {
      enabled: verification.enabled,
      providers: Object.fromEntries(names.map((name) => [name, flagOf(verification, name)])),
    },
    scbe_kill_switch: showKillSwitch(state, setting.verifiers),
    scbe_fallback: showFallback(state, setting.verifiers),
    skew_window: showSkewWindow(state, setting.now),
    generation,
    issued_at: timeOf(issued_at),
    warnings: [...flagWarnings(state, setting)],
  };
}

/** Who engaged it stands in the audit, and not here: this is shown to whoever asks. */
export function showKillSwitch(state: ControlState, verifiers: readonly VerifierReport[]): KillSwitchView {
  const { all, providers } = state.kill_switch;
  const show = (kill: Kill): KillView => showKill(kill, actualMode(state, kill.cause, verifiers));
  const killed = Object.entries(providers).map(([name, kill]) => [name, show(kill)] as const);
  const everything = all === null ? { enabled: false, reason: "" } : show(all);
  return { ...everything, ...(killed.length > 0 && { providers: Object.fromEntries(killed) }) };
}

/** A window that is over is none, whatever the document still says. */
export function showSkewWindow({ skew_window: window }: ControlState, now: number): SkewWindowView {
  if (window === null || window.until <= now) return null;
  return { seconds: window.seconds, until: timeOf(window.until), reason: window.reason };
}

function showKill({ reason, cause, since }: Kill, mode: KillView["mode"]): KillView {
  return { enabled: true, reason, mode, cause, since: timeOf(since) };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
