import { KILL_CAUSES, type KillMode, Name, ROLLBACK_PATHS } from "@scbe/contracts";
import { z } from "zod";
import { Firings } from "./firings.ts";

/** As the control API names them. */
export const KILL_MODES = ["fallback", "disabled"] as const satisfies readonly KillMode[];

const SCOPES_MAX = 65;

const Time = z.int().min(0);

function bounded<T extends z.ZodType>(value: T) {
  return z
    .record(z.union([Name, z.literal("*")]), value)
    .refine((it) => Object.keys(it).length <= SCOPES_MAX);
}

/** What was noticed of one kill: enough to tell it from the next one of the same scope, and to end what was begun. */
const Noticed = z.strictObject({
  since: Time,
  cause: z.enum(KILL_CAUSES),
  mode: z.enum(KILL_MODES),
  /** Deduplication keys of what people were told, to be resolved on release. */
  keys: z.array(z.string().max(256)).max(8),
});
export type Noticed = z.infer<typeof Noticed>;

/**
 * What the controllers have acted on, under the key `acted` of the control bucket: so that neither a restart nor the other controller
 * acts twice, or after a person has switched things back on. Times are ms since the Unix epoch.
 */
export const ProcessedAlertsState = z.strictObject({
  v: z.literal(2),
  /** Firings of triggers, each of which acts once. */
  firings: Firings,
  /** The last message of the security stream that was handled, and when that stream was made. */
  security: z.strictObject({ created: z.string().max(64), seq: z.int().min(0) }).nullable(),
  /** By provider. */
  incidents: bounded(
    z.strictObject({
      first: z.enum(ROLLBACK_PATHS),
      at: Time,
      last: Time,
      verdict: z.enum(["open", "agreed", "alone"]),
    }),
  ),
  /** When the alert that always fires last came. */
  watchdog: Time.nullable(),
  /** By scope: a provider, or "*" for everything. */
  noticed: bounded(Noticed),
});
export type ProcessedAlertsState = z.infer<typeof ProcessedAlertsState>;

export const NO_PROCESSED_ALERTS: ProcessedAlertsState = {
  v: 2,
  firings: {},
  security: null,
  incidents: {},
  watchdog: null,
  noticed: {},
};

/** The state that bytes of the bucket hold, or `undefined` when they are none. */
export function readProcessedAlerts(bytes: Uint8Array): ProcessedAlertsState | undefined {
  try {
    return ProcessedAlertsState.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}
