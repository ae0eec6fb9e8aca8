import { z } from "zod";
import { ScbeError } from "../errors.ts";
import { Name } from "../names.ts";
import { PublicNkey } from "../nkey.ts";
import { ROLES } from "./access-table.ts";
import { type AccessUser, checkUsers, isPublicNkey } from "./access-user.ts";

/** Users of one deployment. */
export const USERS_MAX = 4096;

/** One user of the deployment as other processes know it: no secret. */
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
 * The users of a deployment (`users.json`, `SCBE_USERS_FILE`). The keyring grants subkeys to them alone, the trust scorer counts its
 * tellers among them, and the rollback controller the verifiers that have to confirm.
 */
export const UserList = z
  .array(ListedUser)
  .max(USERS_MAX)
  .refine((users) => new Set(users.map(({ nkey }) => nkey)).size === users.length, "an nkey stands twice")
  .refine((users) => new Set(users.map(({ name }) => name)).size === users.length, "a name stands twice");
export type UserList = z.infer<typeof UserList>;

/**
 * The list of these users.
 * @throws ScbeError BAD_REQUEST when a user is malformed, or its nkey is not known yet
 */
export function listUsers(users: readonly AccessUser[]): UserList {
  checkUsers(users);
  return users.map(({ name, role, nkey, providers, intents }) => {
    if (!isPublicNkey(nkey)) throw new ScbeError("BAD_REQUEST", `the nkey of ${name} is not known`);
    return { name, role, nkey, providers: [...providers], ...(intents && { intents: [...intents] }) };
  });
}
