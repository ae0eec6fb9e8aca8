import { Name } from "@scbe/contracts";
import { chainHash } from "@scbe/envelope/control";
import { z } from "zod";
import { GivenReason } from "../api/fields.ts";

/** Alerts of one firing that are tracked separately, for example copies from several Prometheus servers; further ones count as one. */
const REPLICAS_MAX = 16;
/** More than the number of triggers times the number of providers. */
const FIRINGS_MAX = 512;
/** A stored time that is further ahead is ignored: it would suppress a trigger until then. */
const AHEAD_MAX_MS = 60_000;
/** A repetition is stored only after an eighth of the time to forget. */
const REFRESH_DIVISOR = 8;
/** The replica id of alerts that are not tracked separately: those that a post left out, and those above {@link REPLICAS_MAX}. */
const OTHERS = "*";
const EVERYTHING = "*";

const Time = z.int().min(0);

/** One processed firing. */
const Firing = z.strictObject({
  /** When it was first reported. */
  since: Time,
  /** When each of its alerts was last reported, by a hash of the labels. */
  replicas: z
    .record(z.string().max(16), Time)
    .refine((replicas) => Object.keys(replicas).length <= REPLICAS_MAX + 1),
});
export type Firing = z.infer<typeof Firing>;

/** The processed firings that have not ended, by {@link firingKey}. Times are ms since the Unix epoch. */
export const Firings = z
  .record(z.string().max(160), Firing)
  .refine((firings) => Object.keys(firings).length <= FIRINGS_MAX);
export type Firings = z.infer<typeof Firings>;

/** The identity of a firing: its trigger and its provider. No provider: everything. */
export function firingKey(alertname: string, provider: string | undefined): string {
  return `${alertname} ${provider ?? EVERYTHING}`;
}

/** Reverses {@link firingKey}. */
export function splitKey(key: string): { readonly alertname: string; readonly provider?: string } {
  const [alertname = "", provider = EVERYTHING] = key.split(" ");
  return provider === EVERYTHING ? { alertname } : { alertname, provider };
}

/** What one post reports of one firing. */
export interface Sighting {
  /** Labels of firing alerts. */
  readonly firing: Readonly<Record<string, string>>[];
  /** Labels of resolved alerts. */
  readonly resolved: Readonly<Record<string, string>>[];
  /** The status of alerts that the post left out; `undefined`: it left out none. */
  hidden: "firing" | "resolved" | undefined;
}

/** By {@link firingKey}. */
export type Sightings = ReadonlyMap<string, Sighting>;

export interface FiringTime {
  readonly now: number;
  /** A firing that was not reported for this long is forgotten. */
  readonly forgetMs: number;
}

/** True if a firing was processed and is neither resolved nor forgotten. */
export function isActive(firings: Firings, key: string, time: FiringTime): boolean {
  return freshReplicas(firings[key], time).length > 0;
}

/** The firings after a post; the same object if nothing has to be stored. */
export function applySightings(firings: Firings, sightings: Sightings, time: FiringTime): Firings {
  const changed = [...sightings]
    .map(([key, sighting]) => [key, applySighting(firings[key], sighting, time)] as const)
    .filter(([key, firing]) => firing !== firings[key]);
  if (changed.length === 0) return firings;
  const after = { ...firings, ...Object.fromEntries(changed) };
  const fresh = Object.entries(after).filter(([, firing]) => freshReplicas(firing, time).length > 0);
  return Object.fromEntries(fresh) as Firings;
}

/** The firings without one of them; the same object if it is not active. */
export function withoutFiring(firings: Firings, key: string, time: FiringTime): Firings {
  if (!isActive(firings, key, time)) return firings;
  const { [key]: _cleared, ...others } = firings;
  return others;
}

/** Keys of the firings that began, and of those that ended, between `before` and `after`. */
export function compareFirings(
  before: Firings,
  after: Firings,
  time: FiringTime,
): { readonly begun: readonly string[]; readonly ended: readonly string[] } {
  const [old, current] = [before, after].map((firings) =>
    Object.keys(firings).filter((key) => isActive(firings, key, time)),
  ) as [string[], string[]];
  return {
    begun: current.filter((key) => !old.includes(key)),
    ended: old.filter((key) => !current.includes(key)),
  };
}

const At = z.iso.datetime();

const FiringRow = z
  .object({
    alertname: z.string(),
    provider: z.string().nullable().describe("null: it named no provider of the deployment, so everything"),
    since: At.describe("When it was first reported, and acted on"),
    last_told: At,
    forgotten_at: At.describe("When it is forgotten unless it is reported again"),
  })
  .meta({ id: "AlertFiring" });
export type FiringRow = z.infer<typeof FiringRow>;

/** Answer of `GET /alerts`. */
export const AlertFirings = z.object({ firings: z.array(FiringRow) }).meta({ id: "AlertFirings" });

/** Body of `POST /alerts/clear`: the firing as it is listed. */
export const ClearOrder = z
  .strictObject({
    alertname: z.string().min(1).max(64),
    provider: Name.nullable().default(null),
    reason: GivenReason,
  })
  .meta({ id: "ClearOrder" });
export type ClearOrder = z.infer<typeof ClearOrder>;

/** The active firings as the control API lists them, the oldest first. */
export function listFirings(firings: Firings, time: FiringTime): FiringRow[] {
  return Object.entries(firings)
    .map(([key, firing]) => ({
      key,
      since: firing.since,
      reported: freshReplicas(firing, time).map(([, at]) => at),
    }))
    .filter(({ reported }) => reported.length > 0)
    .sort((one, other) => one.since - other.since)
    .map(({ key, since, reported }) => {
      const last = Math.max(...reported);
      const { alertname, provider = null } = splitKey(key);
      return {
        alertname,
        provider,
        since: timeOf(since),
        last_told: timeOf(last),
        forgotten_at: timeOf(last + time.forgetMs),
      };
    });
}

function applySighting(
  before: Firing | undefined,
  { firing, resolved, hidden }: Sighting,
  time: FiringTime,
): Firing | undefined {
  const fresh = freshReplicas(before, time);
  const replicas = new Map(hidden === "resolved" ? [] : fresh);
  for (const labels of resolved) replicas.delete(replicaId(labels));
  let areAllTracked = hidden !== "firing";
  for (const labels of firing) {
    const id = replicaId(labels);
    const others = replicas.size - (replicas.has(OTHERS) ? 1 : 0);
    if (replicas.has(id) || others < REPLICAS_MAX) replicas.set(id, reportedAt(replicas.get(id), time));
    else areAllTracked = false;
  }
  if (areAllTracked) replicas.delete(OTHERS);
  else replicas.set(OTHERS, reportedAt(replicas.get(OTHERS), time));
  if (replicas.size === 0) return undefined;
  const stored = Object.entries(before?.replicas ?? {});
  const isSame = stored.length === replicas.size && stored.every(([id, at]) => replicas.get(id) === at);
  if (before !== undefined && isSame) return before;
  const since = before !== undefined && fresh.length > 0 ? before.since : time.now;
  return { since, replicas: Object.fromEntries(replicas) };
}

/** The time to store for an alert that is reported now. */
function reportedAt(last: number | undefined, { now, forgetMs }: FiringTime): number {
  return last !== undefined && now - last < forgetMs / REFRESH_DIVISOR ? last : now;
}

/** When each alert of a firing was last reported, without forgotten ones. */
function freshReplicas(firing: Firing | undefined, { now, forgetMs }: FiringTime): [string, number][] {
  const isFresh = (at: number): boolean => now - at < forgetMs && at - now < AHEAD_MAX_MS;
  return Object.entries(firing?.replicas ?? {}).filter(([, at]) => isFresh(at));
}

function replicaId(labels: Readonly<Record<string, string>>): string {
  return chainHash("", labels).slice(0, 11);
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
