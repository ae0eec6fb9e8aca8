import { ScbeError } from "../errors.ts";
import { ACCESS, type AccessTable, ROLES, type Role } from "./access-table.ts";
import { inboxPrefixOf, type Permissions, permissionsOf, type RoleUser } from "./permissions-of.ts";

/**
 * What one signing key of an account may issue: the permissions of each user that it signs. `{{name()}}` and `{{tag(...)}}` stand for the
 * user's name and tags, which the server fills in when the user connects.
 */
export interface Scope {
  readonly name: string;
  readonly permissions: Permissions;
}

/**
 * How a user's JWT comes to its permissions. Where a role serves nothing they are in a scope, and the JWT has tags: permissions of many
 * providers and intents would not fit a connect line. A user that serves has its own in its JWT: where a list has templates, nats-server
 * drops the subjects with a queue group from it.
 */
export type UserGrant =
  | { readonly scope: string; readonly tags: readonly string[] }
  | { readonly permissions: Permissions };

/** Subjects that nats-server fills in for one user. */
export const TEMPLATE_SUBJECTS_MAX = 4096;

/**
 * @throws ScbeError BAD_REQUEST when the name, the providers or the intents do not fit the role (a name such as `*` would be
 *   filled in as it is), or are so many that the server would refuse the user
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

/** Where an account's JWT is pushed to a server: it replaces the one in force, and ends the connections of users that it revokes. */
export const CLAIMS_UPDATE = "$SYS.REQ.CLAIMS.UPDATE";

/** The only user of the system account: it pushes accounts, and hears the servers' answers. */
export const PUSH_USER = { name: "push", role: "system" } as const;

export function pushPermissions(): Permissions {
  const { name, role } = PUSH_USER;
  return { publish: [CLAIMS_UPDATE], subscribe: [`${inboxPrefixOf(role, name)}.>`] };
}

/** Valid names, which the permissions are made with; each stands for a template. */
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

/** The server fills in whole tokens. */
function asTemplate(subject: string): string {
  return subject
    .split(".")
    .map((token) => (token in TEMPLATES ? TEMPLATES[token as keyof typeof TEMPLATES] : token))
    .join(".");
}
