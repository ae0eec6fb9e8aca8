import { ScbeError } from "../errors.ts";
import { patternOf, type SubjectKind, type SubjectToken, tokensIn } from "../subjects.ts";
import {
  ACCESS,
  ACCESS_WITH_FALLBACK,
  type AccessRow,
  type AccessTable,
  ROLES,
  type Role,
} from "./access-table.ts";
import { checkScope, type UserScope } from "./users.ts";

/** The permissions of one user, as nats-server's configuration takes them. */
export interface Permissions {
  readonly publish: readonly string[];
  /** Subjects; one that is followed by a queue group's name is allowed in that group only. */
  readonly subscribe: readonly string[];
}

/** The members of a user that its permissions depend on. */
export interface RoleUser extends UserScope {
  readonly role: Role;
}

/**
 * All that a user may publish and subscribe. A user that serves may answer only in the inboxes of the roles that may send it requests
 * (docs/adr/0008), so a new user changes no other user's permissions.
 * @throws ScbeError BAD_REQUEST if the name, the providers or the intents do not fit the role
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
      ...row.subscribes.flatMap((kind) => subscribedBy(kind, user)),
      ...servedBy(row, user.providers),
      ...(row.serves === undefined ? [] : announcedBy(user.name)),
    ],
  };
}

/** The roles that may send requests to `server`: on one of its subjects, or on `$SRV`. */
export function rolesAsking(server: Role, table: AccessTable = ACCESS): readonly Role[] {
  const { serves } = table[server];
  if (serves === undefined) return [];
  return ROLES.filter((role) => {
    const { publishes, inspects } = table[role];
    return inspects === true || serves.subjects.some((kind) => publishes.includes(kind));
  });
}

/** The private inbox that gets the answers to a user's requests; no other user may subscribe there. */
export function inboxPrefixOf(role: string, name: string): string {
  return `_INBOX.${role}.${name}`;
}

/**
 * True if a reply subject is in the private inbox of that user, of one of these roles (default any). `user` is "" if the subject of the
 * request names none: then an inbox of such a role is enough.
 */
export function isInboxOf(reply: string, user: string, roles?: readonly string[]): boolean {
  const [inbox, role = "", ...rest] = reply.split(".");
  if (inbox !== "_INBOX" || role === "" || rest.length === 0 || rest.some(isNotToken)) return false;
  if (roles !== undefined && !roles.includes(role)) return false;
  return user === "" || (rest[0] === user && rest.length > 1);
}

function isNotToken(text: string): boolean {
  return text === "" || text === "*" || text === ">";
}

/** What an endpoint for a subject needs. */
export interface ServedSubject {
  /** The subscription: `*` for each token that is not given. */
  readonly subject: string;
  /** The meaning of the last tokens of a received subject. */
  readonly tokens: readonly SubjectToken[];
  /** The roles that may send requests; an answer goes to no other role's inbox. */
  readonly askers: readonly Role[];
}

/**
 * Describes the endpoint of a service for subjects of `kind`.
 * @param provider the only one that is served; default all
 */
export function servedAs(kind: SubjectKind, provider?: string): ServedSubject {
  return {
    subject: patternOf(kind, provider === undefined ? {} : { provider }),
    tokens: tokensIn(kind),
    askers: ROLES.filter((role) => ACCESS_WITH_FALLBACK[role].publishes.includes(kind)),
  };
}

/** Subjects with another user than the publisher: the scorer stores reports under the name of their teller. */
const OF_OTHERS: ReadonlySet<SubjectKind> = new Set(["outcome"]);

/** One subject for each of the user's providers and intents. A user without a list of intents may use all. */
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

/** Broadcasts name no user. */
function subscribedBy(kind: SubjectKind, { providers }: RoleUser): string[] {
  return tokensIn(kind).includes("provider")
    ? providers.map((provider) => patternOf(kind, { provider }))
    : [patternOf(kind)];
}

/** A service for all providers has one subscription, a gateway one for its own provider. */
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

/** The NATS services framework (ADR-32): every service answers requests to all, to its name, and to its id. */
function announcedBy(name: string): string[] {
  return ["PING", "INFO", "STATS"].flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.${name}`,
    `$SRV.${verb}.${name}.*`,
  ]);
}

/**
 * The permissions of each user that a signing key of an account signs. The server replaces `{{name()}}` and `{{tag(...)}}` by the
 * user's name and tags when the user connects.
 */
export interface Scope {
  readonly name: string;
  readonly permissions: Permissions;
}

/**
 * The permissions in a user's JWT. For a role that serves nothing they are in a scope, and the JWT has tags: permissions of many
 * providers and intents would not fit a connect line. For a role that serves they are in the JWT, since nats-server drops
 * subjects with a queue group from a list with templates.
 */
export type UserGrant =
  | { readonly scope: string; readonly tags: readonly string[] }
  | { readonly permissions: Permissions };

/** How many subjects nats-server fills in for one user. */
export const TEMPLATE_SUBJECTS_MAX = 4096;

/**
 * @throws ScbeError BAD_REQUEST if the name, the providers or the intents do not fit the role (the server would fill in a name such as
 *   `*` unchanged), or are so many that the server would refuse the user
 */
export function grantOf(user: RoleUser, table: AccessTable = ACCESS): UserGrant {
  const permissions = permissionsOf(user, table);
  const { role, providers, intents } = user;
  if (table[role].serves !== undefined) return { permissions };
  const count = permissions.publish.length;
  if (count > TEMPLATE_SUBJECTS_MAX) {
    const why = `has ${count} subjects by its providers and intents; nats-server takes ${TEMPLATE_SUBJECTS_MAX}`;
    throw new ScbeError("BAD_REQUEST", `the user ${user.name} ${why}`);
  }
  return {
    scope: scopeName(role, intents !== undefined),
    tags: [
      ...providers.map((provider) => `provider:${provider}`),
      ...(intents ?? []).map((intent) => `intent:${intent}`),
    ],
  };
}

/** The scopes of the bus's account. Adding a user changes none of them. */
export function busScopes(table: AccessTable = ACCESS): readonly Scope[] {
  const roles = ROLES.filter((role) => table[role].serves === undefined);
  return roles.flatMap((role) => [false, true].map((hasIntents) => templateOf(role, hasIntents, table)));
}

/** The subject that pushes an account's JWT to a server: it replaces the current one, and ends the connections of revoked users. */
export const CLAIMS_UPDATE = "$SYS.REQ.CLAIMS.UPDATE";

/** The only user of the system account: it pushes accounts, and receives the servers' answers. */
export const PUSH_USER = { name: "push", role: "system" } as const;

export function pushPermissions(): Permissions {
  const { name, role } = PUSH_USER;
  return { publish: [CLAIMS_UPDATE], subscribe: [`${inboxPrefixOf(role, name)}.>`] };
}

/** Valid names in place of templates, to make permissions with. */
const TEMPLATES = {
  "template--name": "{{name()}}",
  "template--provider": "{{tag(provider)}}",
  "template--intent": "{{tag(intent)}}",
} as const;

function templateOf(role: Role, hasIntents: boolean, table: AccessTable): Scope {
  const user: RoleUser = {
    ...{ name: "template--name", role, providers: ["template--provider"] },
    ...(hasIntents && { intents: ["template--intent"] }),
  };
  const { publish, subscribe } = permissionsOf(user, table);
  return {
    name: scopeName(role, hasIntents),
    permissions: { publish: publish.map(asTemplate), subscribe: subscribe.map(asTemplate) },
  };
}

function scopeName(role: Role, hasIntents: boolean): string {
  return hasIntents ? `${role}.intents` : role;
}

/** Templates are whole tokens. */
function asTemplate(subject: string): string {
  return subject
    .split(".")
    .map((token) => (token in TEMPLATES ? TEMPLATES[token as keyof typeof TEMPLATES] : token))
    .join(".");
}
