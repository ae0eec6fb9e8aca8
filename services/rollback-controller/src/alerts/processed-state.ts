import { KILL_CAUSES, type KillMode, Name, ROLLBACK_PATHS, type RollbackPath } from "@scbe/contracts";
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

/** A kill that people were notified of: enough to tell it from the next kill of the same scope, and to resolve its notices. */
const Noticed = z.strictObject({
  since: Time,
  cause: z.enum(KILL_CAUSES),
  mode: z.enum(KILL_MODES),
  /** Deduplication keys of the notices, to be resolved on release. */
  keys: z.array(z.string().max(256)).max(8),
});
export type Noticed = z.infer<typeof Noticed>;

/** Nonce reuse at one provider, from its first signal until no signal has come for {@link PATHS_WINDOW_MS}. */
const Incident = z.strictObject({
  /** The path of the first signal. */
  first: z.enum(ROLLBACK_PATHS),
  at: Time,
  last: Time,
  /** `open`: only one path has signalled so far, and the other one still may. */
  verdict: z.enum(["open", "agreed", "alone"]),
});
export type Incident = z.infer<typeof Incident>;

/**
 * What the controllers have processed, under the key `acted` of the control bucket. Because of it, neither a restart nor another controller
 * acts twice on one signal, or acts after a person has switched everything back on. Times are ms since the Unix epoch.
 */
export const ProcessedAlertsState = z.strictObject({
  v: z.literal(2),
  /** Firings of triggers; each acts once. */
  firings: Firings,
  /** The last processed message of the security stream, and when that stream was made. */
  security: z.strictObject({ created: z.string().max(64), seq: z.int().min(0) }).nullable(),
  /** By provider. */
  incidents: bounded(Incident),
  /** When the alert that always fires last arrived. */
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

/** The state in a stored value; `undefined` if it is no such state. */
export function readProcessedAlerts(bytes: Uint8Array): ProcessedAlertsState | undefined {
  try {
    return ProcessedAlertsState.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}

/** How much later than the first path the other one may signal the same nonce reuse. */
export const PATHS_WINDOW_MS = 10 * 60_000;
/** `last` moves in steps, so that a flood of events is no flood of writes. */
const STEP_MS = PATHS_WINDOW_MS / 10;

/** The incident after a signal; the same object if nothing has changed. */
export function addSignal(incident: Incident | undefined, path: RollbackPath, now: number): Incident {
  if (incident === undefined || now - incident.last > PATHS_WINDOW_MS) {
    return { first: path, at: now, last: now, verdict: "open" };
  }
  const agreed = incident.verdict === "open" && path !== incident.first;
  if (!agreed && now - incident.last < STEP_MS) return incident;
  return { ...incident, last: Math.max(now, incident.last), verdict: agreed ? "agreed" : incident.verdict };
}

/** The incident after time has passed; the same object if nothing has changed. */
export function closeIncident(incident: Incident, now: number): Incident {
  const isOver = incident.verdict === "open" && now - incident.at > PATHS_WINDOW_MS;
  return isOver ? { ...incident, verdict: "alone" } : incident;
}
