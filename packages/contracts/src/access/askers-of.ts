import { ScbeError } from "../errors.ts";
import { ACCESS, type AccessTable, type Role } from "./access-table.ts";
import { type AccessUser, checkUsers, isPublicNkey } from "./access-user.ts";

/** One line of the keyring's own list: the second lock in front of the subkeys, behind the bus's permissions. */
export interface Asker {
  readonly nkey: string;
  readonly role: Role;
  readonly providers: readonly string[];
  /** Absent: all of the deployment. */
  readonly intents?: readonly string[];
}

/**
 * The users that may ask for subkeys: exactly those that may publish on the subject of grants.
 * @throws ScbeError BAD_REQUEST when a user is malformed, or its nkey is not known yet
 */
export function askersOf(users: readonly AccessUser[], table: AccessTable = ACCESS): Asker[] {
  checkUsers(users, table);
  return users
    .filter(({ role }) => table[role].publishes.includes("grant"))
    .map(({ name, nkey, role, providers, intents }) => {
      if (!isPublicNkey(nkey)) throw new ScbeError("BAD_REQUEST", `the nkey of ${name} is not known`);
      return { nkey, role, providers, ...(intents !== undefined && { intents }) };
    });
}
