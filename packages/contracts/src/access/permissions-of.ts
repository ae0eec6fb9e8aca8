import { patternOf, type SubjectKind, type SubjectToken, tokensIn } from "../subjects.ts";
import {
  ACCESS,
  ACCESS_WITH_FALLBACK,
  type AccessRow,
  type AccessTable,
  ROLES,
  type Role,
} from "./access-table.ts";
import { checkScope, type UserScope } from "./access-user.ts";

/** The permissions of one user, as nats-server's configuration takes them. */
export interface Permissions {
  readonly publish: readonly string[];
  /** Subjects; one that is followed by a queue group's name is allowed in that group only. */
  readonly subscribe: readonly string[];
}

/** A user as far as permissions depend on it. */
export interface RoleUser extends UserScope {
  readonly role: Role;
}

/**
 * All that a user may publish and subscribe. A user that serves may answer in the inboxes of the roles that may ask it, and
 * nowhere else (docs/adr/0008): so a new user changes no other user's permissions.
 * @throws ScbeError BAD_REQUEST when the name, the providers or the intents do not fit the role
 */
export function permissionsOf(user: RoleUser, table: AccessTable = ACCESS): Permissions {
  checkScope(user.role, user, table);
  const row = table[user.role];
  return {
    publish: [
      ...row.publishes.flatMap((kind) => publishedBy(kind, user)),
      ...rolesAsking(user.role, table).map((role) => `_INBOX.${role}.*.>`),
      ...(row.inspects === true ? ["$SRV.>"] : []),
    ],
    subscribe: [
      `${inboxPrefixOf(user.role, user.name)}.>`,
      ...row.subscribes.flatMap((kind) => heardBy(kind, user)),
      ...servedBy(row, user.providers),
      ...(row.serves === undefined ? [] : announcedBy(user.name)),
    ],
  };
}

/** The roles that may ask something that `server` answers: one of its subjects, or `$SRV`. */
export function rolesAsking(server: Role, table: AccessTable = ACCESS): readonly Role[] {
  const { serves } = table[server];
  if (serves === undefined) return [];
  return ROLES.filter((role) => {
    const { publishes, inspects } = table[role];
    return inspects === true || serves.subjects.some((kind) => publishes.includes(kind));
  });
}

/** Where the answers to a user's requests go; no other user may subscribe there. */
export function inboxPrefixOf(role: string, name: string): string {
  return `_INBOX.${role}.${name}`;
}

/**
 * True when a reply subject is in the private inbox of that user, of one of these roles (any, where none are given). `user` is ""
 * where the question's subject names none: then the inbox of such a role is enough.
 */
export function isInboxOf(reply: string, user: string, roles?: readonly string[]): boolean {
  const [inbox, role = "", ...rest] = reply.split(".");
  if (inbox !== "_INBOX" || role === "" || rest.length === 0 || rest.some(isNoToken)) return false;
  if (roles !== undefined && !roles.includes(role)) return false;
  return user === "" || (rest[0] === user && rest.length > 1);
}

function isNoToken(text: string): boolean {
  return text === "" || text === "*" || text === ">";
}

/** What an endpoint for `kind` needs to know of it. */
export interface ServedSubject {
  /** The subscription: `*` for each token that is not given. */
  readonly subject: string;
  /** What the last tokens of a received subject stand for. */
  readonly tokens: readonly SubjectToken[];
  /** The roles that may ask; an answer goes to no other role's inbox. */
  readonly askers: readonly Role[];
}

/**
 * How a service answers subjects of `kind`.
 * @param provider the only one that is served; all unless told
 */
export function servedAs(kind: SubjectKind, provider?: string): ServedSubject {
  return {
    subject: patternOf(kind, provider === undefined ? {} : { provider }),
    tokens: tokensIn(kind),
    askers: ROLES.filter((role) => ACCESS_WITH_FALLBACK[role].publishes.includes(kind)),
  };
}

/** Subjects that carry another user than the one that publishes: the scorer stores what its tellers tell, by teller. */
const OF_OTHERS: ReadonlySet<SubjectKind> = new Set(["outcome"]);

/** One subject for each of the user's providers and intents. A user without a list of intents has all of them. */
function publishedBy(kind: SubjectKind, { name, providers, intents }: RoleUser): string[] {
  const tokens = tokensIn(kind);
  const names = OF_OTHERS.has(kind) ? {} : { user: name };
  const isOfIntent = tokens.includes("intent") && intents !== undefined;
  const scopes = tokens.includes("provider") ? providers.map((provider) => ({ provider })) : [{}];
  return scopes.flatMap((scope) =>
    isOfIntent
      ? intents.map((intent) => patternOf(kind, { ...names, ...scope, intent }))
      : [patternOf(kind, { ...names, ...scope })],
  );
}

/** Broadcasts name no user; a role that publishes a user's subject has no right to hear it. */
function heardBy(kind: SubjectKind, { providers }: RoleUser): string[] {
  return tokensIn(kind).includes("provider")
    ? providers.map((provider) => patternOf(kind, { provider }))
    : [patternOf(kind)];
}

/** A service for every provider has one subscription for all of them, a gateway one for its own. */
function servedBy({ serves, providers: scope }: AccessRow, providers: readonly string[]): string[] {
  if (serves === undefined) return [];
  return serves.subjects
    .flatMap((kind) =>
      scope === "every" || !tokensIn(kind).includes("provider")
        ? [patternOf(kind)]
        : providers.map((provider) => patternOf(kind, { provider })),
    )
    .map((subject) => `${subject} ${serves.queue}`);
}

/** The NATS services framework (ADR-32): every service hears questions to all, to its name, and to its id. */
function announcedBy(name: string): string[] {
  return ["PING", "INFO", "STATS"].flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.${name}`,
    `$SRV.${verb}.${name}.*`,
  ]);
}
