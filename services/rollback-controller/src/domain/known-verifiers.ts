import { Name, STORES } from "@scbe/contracts";
import { z } from "zod";

/** A verifier that has been silent for that long is taken for one that has ended. */
export const FORGOTTEN_AFTER_MS = 10 * 60_000;

/** A verifier that was heard lately. */
export interface KnownVerifier {
  readonly user: string;
  /** Its id, a UUID in lower case. */
  readonly verifier: string;
  /** ms since the Unix epoch, by the clock of the controller that heard it. */
  readonly heardAt: number;
  /** Its own configuration lets it send or serve what goes unsealed. */
  readonly fallback: boolean;
}

/** The verifiers that were heard lately and did not leave: what one leading controller hands on to the next one. */
export interface KnownVerifiers {
  readonly heard: readonly KnownVerifier[];
  /** Users of whom more were heard than are named, and when one of those was last heard. */
  readonly more: ReadonlyMap<string, number>;
  /** Of those that were heard before that time any may be missing, of any user; undefined: none is missing. */
  readonly lostAt: number | undefined;
}

/** Nothing is known to have been heard. */
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
      /** base64url of the id's 16 bytes, when it was heard, and whether it permits fallback. */
      verifiers: z.array(z.tuple([Id, Time, z.boolean()])),
    }),
  ),
});

const VALUE_BYTES_MAX = STORES.control.maxValueBytes - 4096;
/** What an encoded record, user and verifier take at most. */
const RECORD_BYTES = 128;
const USER_BYTES = 128;
const VERIFIER_BYTES = 48;

/**
 * As many as a value of the bucket holds: the same number of each user, those that were heard last, and for each user with more of them the mark
 * that there are.
 * @param now ms since the Unix epoch
 */
export function fitVerifiers(known: KnownVerifiers, now: number): KnownVerifiers {
  const byUser = Map.groupBy(known.heard, ({ user }) => user);
  const users = new Set([...byUser.keys(), ...known.more.keys()]).size;
  const free = VALUE_BYTES_MAX - RECORD_BYTES - users * USER_BYTES;
  // Without a list at all, nobody's verifiers are known.
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

/** The verifiers that bytes of the bucket hold, or `undefined` when they hold no such record. */
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

/** True when both name the same verifiers and mark the same users, whenever they were heard. */
export function nameTheSame(one: KnownVerifiers, other: KnownVerifiers): boolean {
  const [a, b] = [namesOf(one), namesOf(other)];
  return a.size === b.size && [...a].every((name) => b.has(name));
}

/** The latest time in it; 0: there is none. */
export function lastHeardAt({ heard, more, lostAt = 0 }: KnownVerifiers): number {
  return [...heard.map(({ heardAt }) => heardAt), ...more.values()].reduce((a, b) => Math.max(a, b), lostAt);
}

/** Those of the users that are meant. */
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

/** The most that each may have, so that all together have no more than `total`. */
function mostOfEach(lists: readonly (readonly unknown[])[], total: number): number {
  const fits = (most: number): boolean =>
    lists.reduce((sum, { length }) => sum + Math.min(length, most), 0) <= total;
  let most = lists.reduce((longest, { length }) => Math.max(longest, length), 0);
  while (most > 0 && !fits(most)) most = Math.floor((most * 3) / 4);
  return most;
}

/** Those that were heard last, and the others, the one that was heard last first. */
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
