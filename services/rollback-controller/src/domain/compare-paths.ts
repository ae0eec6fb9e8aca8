import type { RollbackPath } from "@scbe/contracts";

/** How long one path may take longer than the other to speak of the same nonce reuse. */
export const PATHS_WINDOW_MS = 10 * 60_000;
/** `last` is moved in steps, so that a flood of events is not one of writes. */
const STEP_MS = PATHS_WINDOW_MS / 10;

/** Nonce reuse at one provider, from the first that was heard of it until nobody has spoken of it for the window. Times in ms since the epoch. */
export interface Incident {
  readonly first: RollbackPath;
  readonly at: number;
  readonly last: number;
  /** `open`: only one has spoken so far, and the other still may. */
  readonly verdict: "open" | "agreed" | "alone";
}

/** After a path has spoken; the same object where nothing has changed. */
export function speak(incident: Incident | undefined, path: RollbackPath, now: number): Incident {
  if (incident === undefined || now - incident.last > PATHS_WINDOW_MS) {
    return { first: path, at: now, last: now, verdict: "open" };
  }
  const agreed = incident.verdict === "open" && path !== incident.first;
  if (!agreed && now - incident.last < STEP_MS) return incident;
  return { ...incident, last: Math.max(now, incident.last), verdict: agreed ? "agreed" : incident.verdict };
}

/** After time has passed; the same object where nothing has changed. */
export function settle(incident: Incident, now: number): Incident {
  const isOver = incident.verdict === "open" && now - incident.at > PATHS_WINDOW_MS;
  return isOver ? { ...incident, verdict: "alone" } : incident;
}
