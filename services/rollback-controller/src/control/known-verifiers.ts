import { Name, STORES } from "@scbe/contracts";
import { z } from "zod";

/** A verifier that was silent for that long is assumed to have ended. */
export const FORGOTTEN_AFTER_MS = 10 * 60_000;

/** A recently heard verifier. */
export interface KnownVerifier {
  readonly user: string;
  /** Its id, a UUID in lower case. */
  readonly verifier: string;
  /** ms since the Unix epoch, by the clock of the controller that heard it */
  readonly heardAt: number;
  /** Its own configuration lets it send or serve unsealed traffic. */
  readonly fallback: boolean;
}

/** The recently heard verifiers that did not leave, as one leader hands them to the next. */
export interface KnownVerifiers {
  readonly heard: readonly KnownVerifier[];
  /** Users with more verifiers than are named, and when one of the unnamed was last heard. */
  readonly more: ReadonlyMap<string, number>;
  /** Any verifier that was heard before this time may be missing; undefined: the list is complete. */
  readonly lostAt: number | undefined;
}

export const NOTHING_HEARD: KnownVerifiers = { heard: [], more: new Map(), lostAt: undefined };

const Time = z.int().min(0);
const Id = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const Stored = z.strictObject({
  v: z.literal(1),
  lost_at: Time.nullable(),
  users: z.array(
    z.strictObject({
      user: Name,
      more_at: Time.nullable(),
      /** base64url of the id's 16 bytes, the time it was heard, whether it permits fallback */
      verifiers: z.array(z.tuple([Id, Time, z.boolean()])),
    }),
  ),
});

const VALUE_BYTES_MAX = STORES.control.maxValueBytes - 4096;
/** The most bytes of an encoded record, user and verifier. */
const RECORD_BYTES = 128;
const USER_BYTES = 128;
const VERIFIER_BYTES = 48;

/**
 * As many as fit into a value of the bucket: the same number for each user, the last heard first. A user with more verifiers is marked.
 * @param now ms since the Unix epoch
 */
export function fitVerifiers(known: KnownVerifiers, now: number): KnownVerifiers {
  const byUser = Map.groupBy(known.heard, ({ user }) => user);
  const users = new Set([...byUser.keys(), ...known.more.keys()]).size;
  const free = VALUE_BYTES_MAX - RECORD_BYTES - users * USER_BYTES;
  // The users alone do not fit: no verifier of any user is known.
  if (free < 0) return { ...NOTHING_HEARD, lostAt: now };
  const most = mostOfEach([...byUser.values()], Math.floor(free / VERIFIER_BYTES));
  const more = new Map(known.more);
  const heard = [...byUser].flatMap(([user, its]) => {
    const [kept, left] = newest(its, most);
    const leftAt = left[0]?.heardAt;
    if (leftAt !== undefined) more.set(user, Math.max(leftAt, more.get(user) ?? 0));
    return kept;
  });
  return { heard, more, lostAt: known.lostAt };
}

export function encodeVerifiers({ heard, more, lostAt }: KnownVerifiers): Uint8Array {
  const byUser = Map.groupBy(heard, ({ user }) => user);
  const users = [...new Set([...byUser.keys(), ...more.keys()])].map((user) => ({
    user,
    more_at: more.get(user) ?? null,
    verifiers: (byUser.get(user) ?? []).map((it) => [shortOf(it.verifier), it.heardAt, it.fallback]),
  }));
  return Buffer.from(JSON.stringify({ v: 1, lost_at: lostAt ?? null, users }));
}

/** The verifiers in a stored value; `undefined` if it is no such record. */
export function readVerifiers(bytes: Uint8Array): KnownVerifiers | undefined {
  try {
    const { lost_at, users } = Stored.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    const marked = users.flatMap(({ user, more_at }) => (more_at === null ? [] : [[user, more_at] as const]));
    return {
      heard: users.flatMap(({ user, verifiers }) =>
        verifiers.map(([id, heardAt, fallback]) => ({ user, verifier: idOf(id), heardAt, fallback })),
      ),
      more: new Map(marked),
      lostAt: lost_at ?? undefined,
    };
  } catch {
    return undefined;
  }
}

/** True if both name the same verifiers and mark the same users. Times are ignored. */
export function nameTheSame(one: KnownVerifiers, other: KnownVerifiers): boolean {
  const [a, b] = [namesOf(one), namesOf(other)];
  return a.size === b.size && [...a].every((name) => b.has(name));
}

/** The latest time in it; 0 if it has none. */
export function lastHeardAt({ heard, more, lostAt = 0 }: KnownVerifiers): number {
  return [...heard.map(({ heardAt }) => heardAt), ...more.values()].reduce((a, b) => Math.max(a, b), lostAt);
}

/** Only the verifiers of these users. */
export function ofUsers(known: KnownVerifiers, isUser: (user: string) => boolean): KnownVerifiers {
  return {
    ...known,
    heard: known.heard.filter(({ user }) => isUser(user)),
    more: new Map([...known.more].filter(([user]) => isUser(user))),
  };
}

function namesOf({ heard, more, lostAt }: KnownVerifiers): ReadonlySet<string> {
  const names = heard.map(({ user, verifier }) => `${user} ${verifier}`);
  return new Set([...names, ...more.keys(), ...(lostAt === undefined ? [] : [""])]);
}

/** The most that each list may have, so that all together have at most `total`. */
function mostOfEach(lists: readonly (readonly unknown[])[], total: number): number {
  const fits = (most: number): boolean =>
    lists.reduce((sum, { length }) => sum + Math.min(length, most), 0) <= total;
  let most = lists.reduce((longest, { length }) => Math.max(longest, length), 0);
  while (most > 0 && !fits(most)) most = Math.floor((most * 3) / 4);
  return most;
}

/** The `most` that were heard last, and the others; each sorted, the last heard first. */
function newest(its: readonly KnownVerifier[], most: number): [KnownVerifier[], KnownVerifier[]] {
  const sorted = its.toSorted((a, b) => b.heardAt - a.heardAt);
  return [sorted.slice(0, most), sorted.slice(most)];
}

function shortOf(uuid: string): string {
  return Buffer.from(uuid.replaceAll("-", ""), "hex").toString("base64url");
}

function idOf(short: string): string {
  const hex = Buffer.from(short, "base64url").toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** One moment by both clocks. */
export interface Moment {
  /** by a monotonic clock */
  readonly nowMs: number;
  /** ms since the Unix epoch */
  readonly now: number;
}

/** Converts a wall-clock time to the monotonic clock. A future time counts as now: the other clock may be ahead. */
export function monotonicOf(at: number, { nowMs, now }: Moment): number {
  return nowMs - Math.max(0, now - at);
}

/** Converts a monotonic time to the wall clock, in whole ms. */
export function wallOf(atMs: number, { nowMs, now }: Moment): number {
  return Math.max(0, Math.floor(now - (nowMs - atMs)));
}
