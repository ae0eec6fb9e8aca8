import { cutText } from "../cut-text.ts";
import { ScbeError } from "../errors.ts";
import { isName, RESERVED_INTENT } from "../names.ts";
import { ACCESS, type AccessTable, type Role } from "./access-table.ts";

/** What a user's permissions depend on besides its role. */
export interface UserScope {
  /** Names the user's connection, its private inbox `_INBOX.<role>.<name>.>` and, where it serves, its NATS service. */
  readonly name: string;
  readonly providers: readonly string[];
  /** The intents it may use, in subkeys that it asks for and with the envelope service; absent: all of the deployment. */
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

/** True for what the server's configuration can hold: a public nkey, or a variable that names one. */
export function isNkeyOrVariable(nkey: string): boolean {
  return PUBLIC_NKEY.test(nkey) || NKEY_VARIABLE.test(nkey);
}

/**
 * Checks what will become subjects and a line of the server's configuration.
 * @throws ScbeError BAD_REQUEST when a name, provider, intent or nkey is malformed, or the providers do not fit the role
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
  if (!isName(name)) throw unfit(name, "is no user name: 1 to 64 of a-z, 0-9, _ and -, not _ or - first");
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

/** Users of one server: each fit for its role, no two of one name or nkey. @throws ScbeError BAD_REQUEST */
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
