import { z } from "zod";
import { cutText, ScbeError } from "../errors.ts";
import { isName, Name, RESERVED_INTENT } from "../names.ts";
import { PublicNkey } from "../nkey.ts";
import { ACCESS, type AccessTable, ROLES, type Role } from "./access-table.ts";

/** What a user's permissions depend on besides its role. */
export interface UserScope {
  /** The name of the user's connection, of its private inbox `_INBOX.<role>.<name>.>` and of its NATS service, if it serves. */
  readonly name: string;
  readonly providers: readonly string[];
  /** The intents that it may use, in grants and with the envelope service; absent: all of the deployment. */
  readonly intents?: readonly string[];
}

/** One user of the bus: one process, or a group of equal ones. */
export interface AccessUser extends UserScope {
  readonly role: Role;
  /** The public nkey, or `$SCBE_NKEY_...` for the server to take from its environment. */
  readonly nkey: string;
}

const PUBLIC_NKEY = /^U[A-Z2-7]{55}$/;
const NKEY_VARIABLE = /^\$SCBE_NKEY_[A-Z0-9_]{1,128}$/;
const PROVIDERS_MAX = 64;

/** True when `nkey` is a public user nkey, not a reference to a variable. */
export function isPublicNkey(nkey: string): boolean {
  return PUBLIC_NKEY.test(nkey);
}

/** True for a public nkey, or for a variable that names one: the server's configuration can hold both. */
export function isNkeyOrVariable(nkey: string): boolean {
  return PUBLIC_NKEY.test(nkey) || NKEY_VARIABLE.test(nkey);
}

/**
 * Checks the members that become subjects and a line of the server's configuration.
 * @throws ScbeError BAD_REQUEST if a name, provider, intent or nkey is malformed, or the providers do not fit the role
 */
export function checkUser(user: AccessUser, table: AccessTable = ACCESS): void {
  const { name, role, nkey } = user;
  if (!Object.hasOwn(table, role)) throw unfit(name, "has an unknown role");
  checkScope(role, user, table);
  if (!isNkeyOrVariable(nkey)) throw unfit(name, "has no valid public nkey");
}

/** The part of {@link checkUser} that subjects depend on. @throws ScbeError BAD_REQUEST */
export function checkScope(
  role: Role,
  { name, providers, intents = [] }: UserScope,
  table: AccessTable,
): void {
  if (!isName(name)) throw unfit(name, "is not a user name: 1 to 64 of a-z, 0-9, _ and -, not _ or - first");
  if (providers.some((provider) => !isName(provider))) throw unfit(name, "has a malformed provider");
  if (intents.some((intent) => !isName(intent))) throw unfit(name, "has a malformed intent");
  if (intents.some((intent) => RESERVED_INTENT.test(intent))) throw unfit(name, "has a reserved intent");
  if (new Set(providers).size !== providers.length) throw unfit(name, "names a provider twice");
  const count = providers.length;
  const expected = {
    every: [1, PROVIDERS_MAX],
    some: [1, PROVIDERS_MAX],
    one: [1, 1],
    none: [0, 0],
  } as const;
  const [min, max] = expected[table[role].providers];
  if (count < min || count > max) {
    throw unfit(name, `has ${count} providers; its role takes ${min === max ? min : `${min} to ${max}`}`);
  }
}

/** Checks the users of one server: each fits its role, and names and nkeys are unique. @throws ScbeError BAD_REQUEST */
export function checkUsers(users: readonly AccessUser[], table: AccessTable = ACCESS): void {
  const seen = new Set<string>();
  for (const user of users) {
    checkUser(user, table);
    for (const mark of [`name ${user.name}`, `nkey ${user.nkey}`]) {
      if (seen.has(mark)) throw unfit(user.name, "shares its name or nkey with another user");
      seen.add(mark);
    }
  }
}

function unfit(name: string, why: string): ScbeError {
  return new ScbeError("BAD_REQUEST", `the user ${JSON.stringify(cutText(name, 80))} ${why}`);
}

/** A user before it has an nkey. */
export type UnkeyedUser = Omit<AccessUser, "nkey">;

/** The members of a deployment. */
export interface Deployment {
  readonly providers: readonly string[];
  /** The served intents: no user may have another one. Absent: they are not known. */
  readonly intents?: readonly string[];
  /** Names of orchestrators, each for all providers; default `["orchestrator"]`. */
  readonly orchestrators?: readonly string[];
  /** Providers with a gateway, `gateway-<provider>`; default all. */
  readonly gateways?: readonly string[];
  /** More users, or ones with fewer providers or intents. */
  readonly users?: readonly UnkeyedUser[];
}

/**
 * The users of a deployment: one for each service, orchestrator and gateway, one for the operator.
 * @throws ScbeError BAD_REQUEST if one of them does not fit its role
 */
export function deploymentUsers(deployment: Deployment, table: AccessTable = ACCESS): UnkeyedUser[] {
  const { providers, orchestrators = ["orchestrator"], gateways = providers, users = [] } = deployment;
  const all: UnkeyedUser[] = [
    { name: "keyring", role: "keyring", providers },
    { name: "envelope", role: "envelope", providers },
    { name: "replay-guard", role: "replay-guard", providers },
    { name: "rollback-controller", role: "rollback-controller", providers },
    { name: "trust-scorer", role: "trust-scorer", providers },
    ...orchestrators.map((name) => ({ name, role: "orchestrator" as const, providers })),
    ...gateways.map((provider) => ({
      name: `gateway-${provider}`,
      role: "gateway" as const,
      providers: [provider],
    })),
    { name: "operator", role: "operator", providers: [] },
    ...users,
  ];
  for (const user of all) checkScope(user.role, user, table);
  return all;
}

/** How many users a deployment can have. */
export const USERS_MAX = 4096;

/** A user of the deployment, as other processes know it. It holds no secret. */
export const ListedUser = z.strictObject({
  name: Name,
  role: z.enum(ROLES),
  nkey: PublicNkey,
  providers: z.array(Name).max(64),
  /** Absent: all of the deployment. */
  intents: z.array(Name).max(64).optional(),
});
export type ListedUser = z.infer<typeof ListedUser>;

/**
 * The users of a deployment (`users.json`, `SCBE_USERS_FILE`). The keyring grants subkeys only to them, the trust scorer counts its
 * tellers among them, and the rollback controller counts the verifiers that must confirm a kill.
 */
export const UserList = z
  .array(ListedUser)
  .max(USERS_MAX)
  .refine((users) => new Set(users.map(({ nkey }) => nkey)).size === users.length, "an nkey is repeated")
  .refine((users) => new Set(users.map(({ name }) => name)).size === users.length, "a name is repeated");
export type UserList = z.infer<typeof UserList>;

/** @throws ScbeError BAD_REQUEST if a user is malformed, or its nkey is not known yet */
export function listUsers(users: readonly AccessUser[]): UserList {
  checkUsers(users);
  return users.map(({ name, role, nkey, providers, intents }) => {
    if (!isPublicNkey(nkey)) throw new ScbeError("BAD_REQUEST", `the nkey of ${name} is not known`);
    return { name, role, nkey, providers: [...providers], ...(intents && { intents: [...intents] }) };
  });
}
