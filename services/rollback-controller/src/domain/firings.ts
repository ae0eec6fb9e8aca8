import { chainHash } from "@scbe/envelope/control";
import { z } from "zod";

/** Alerts of one firing that are told apart, as the copies of an alert by several Prometheus servers; further ones count as one. */
const REPLICAS_MAX = 16;
/** More than there are triggers times providers. */
const FIRINGS_MAX = 512;
/** A stored time that is further ahead than this is not believed: it would suppress a trigger for as long. */
const AHEAD_MAX_MS = 60_000;
/** A repetition is stored only once this part of the time to forget has passed. */
const REFRESH_PART = 8;
/** Stands for alerts that cannot be told apart: those that a post left out, and those above {@link REPLICAS_MAX}. */
const OTHERS = "*";
const EVERYTHING = "*";

const Time = z.int().min(0);

/** One firing that was acted on. */
const Firing = z.strictObject({
  /** When it was first told. */
  since: Time,
  /** When each alert of it was last told, by a hash of its labels. */
  replicas: z
    .record(z.string().max(16), Time)
    .refine((replicas) => Object.keys(replicas).length <= REPLICAS_MAX + 1),
});
export type Firing = z.infer<typeof Firing>;

/** The firings that were acted on and have not ended, by {@link firingKey}. Times are ms since the Unix epoch. */
export const Firings = z
  .record(z.string().max(160), Firing)
  .refine((firings) => Object.keys(firings).length <= FIRINGS_MAX);
export type Firings = z.infer<typeof Firings>;

/** What a firing is known by: its trigger and its provider, whatever else its alerts say. No provider: everything. */
export function firingKey(alertname: string, provider: string | undefined): string {
  return `${alertname} ${provider ?? EVERYTHING}`;
}

/** What a {@link firingKey} was made of. */
export function splitKey(key: string): { readonly alertname: string; readonly provider?: string } {
  const [alertname = "", provider = EVERYTHING] = key.split(" ");
  return provider === EVERYTHING ? { alertname } : { alertname, provider };
}

/** What one post says of one firing. */
export interface Sighting {
  /** Labels of alerts that fire. */
  readonly firing: Readonly<Record<string, string>>[];
  /** Labels of alerts that have resolved. */
  readonly resolved: Readonly<Record<string, string>>[];
  /** The status of alerts that the post has left out; `undefined`: there are none. */
  hidden: "firing" | "resolved" | undefined;
}

/** By {@link firingKey}. */
export type Sightings = ReadonlyMap<string, Sighting>;

export interface FiringTime {
  readonly now: number;
  /** A firing that has not been told for this long is forgotten. */
  readonly forgetMs: number;
}

/** Whether a firing was acted on, and neither has resolved nor is forgotten. */
export function isStanding(firings: Firings, key: string, time: FiringTime): boolean {
  return freshReplicas(firings[key], time).length > 0;
}

/** The firings after a post; the same object where nothing is to be stored. */
export function applySightings(firings: Firings, sightings: Sightings, time: FiringTime): Firings {
  const changed = [...sightings]
    .map(([key, sighting]) => [key, applySighting(firings[key], sighting, time)] as const)
    .filter(([key, firing]) => firing !== firings[key]);
  if (changed.length === 0) return firings;
  const after = { ...firings, ...Object.fromEntries(changed) };
  const standing = Object.entries(after).filter(([, firing]) => freshReplicas(firing, time).length > 0);
  return Object.fromEntries(standing) as Firings;
}

/** Without one of them; the same object where it does not stand. */
export function withoutFiring(firings: Firings, key: string, time: FiringTime): Firings {
  if (!isStanding(firings, key, time)) return firings;
  const { [key]: _cleared, ...others } = firings;
  return others;
}

/** Keys of the firings that have begun, and of those that have ended, from `before` to `after`. */
export function compareFirings(
  before: Firings,
  after: Firings,
  time: FiringTime,
): { readonly begun: readonly string[]; readonly ended: readonly string[] } {
  const [old, current] = [before, after].map((firings) =>
    Object.keys(firings).filter((key) => isStanding(firings, key, time)),
  ) as [string[], string[]];
  return {
    begun: current.filter((key) => !old.includes(key)),
    ended: old.filter((key) => !current.includes(key)),
  };
}

function applySighting(
  before: Firing | undefined,
  { firing, resolved, hidden }: Sighting,
  time: FiringTime,
): Firing | undefined {
  const fresh = freshReplicas(before, time);
  const replicas = new Map(hidden === "resolved" ? [] : fresh);
  for (const labels of resolved) replicas.delete(replicaId(labels));
  let areAllTold = hidden !== "firing";
  for (const labels of firing) {
    const id = replicaId(labels);
    const others = replicas.size - (replicas.has(OTHERS) ? 1 : 0);
    if (replicas.has(id) || others < REPLICAS_MAX) replicas.set(id, toldAt(replicas.get(id), time));
    else areAllTold = false;
  }
  if (areAllTold) replicas.delete(OTHERS);
  else replicas.set(OTHERS, toldAt(replicas.get(OTHERS), time));
  if (replicas.size === 0) return undefined;
  const stored = Object.entries(before?.replicas ?? {});
  const isSame = stored.length === replicas.size && stored.every(([id, at]) => replicas.get(id) === at);
  if (before !== undefined && isSame) return before;
  const since = before !== undefined && fresh.length > 0 ? before.since : time.now;
  return { since, replicas: Object.fromEntries(replicas) };
}

/** The time to store for an alert that is told now. */
function toldAt(last: number | undefined, { now, forgetMs }: FiringTime): number {
  return last !== undefined && now - last < forgetMs / REFRESH_PART ? last : now;
}

/** When each alert of a firing was last told, those that are forgotten left out. */
export function freshReplicas(firing: Firing | undefined, { now, forgetMs }: FiringTime): [string, number][] {
  const isFresh = (at: number): boolean => now - at < forgetMs && at - now < AHEAD_MAX_MS;
  return Object.entries(firing?.replicas ?? {}).filter(([, at]) => isFresh(at));
}

function replicaId(labels: Readonly<Record<string, string>>): string {
  return chainHash("", labels).slice(0, 11);
}
