import { ScbeError } from "../errors.ts";
import type { Environment } from "../names.ts";
import { ACCESS, type AccessTable } from "./access-table.ts";
import type { AccessUser } from "./access-user.ts";
import { accountsOf, busAccount, storeAccount } from "./accounts.ts";
import type { Permissions } from "./permissions-of.ts";
import type { KeyedStoreUser } from "./render-server-config.ts";
import { busScopes, grantOf, type UserGrant } from "./scopes.ts";
import { storePermissionsOf } from "./store-users.ts";

export interface NscOptions {
  readonly env: Environment;
  readonly table?: AccessTable;
  /**
   * The folder that holds the seed of each user and of each account's signing key in a file `.nk`, and takes each user's credentials file.
   */
  readonly folder: string;
  /** The public nkey of each account's signing key, by the account's name. */
  readonly signers: ReadonlyMap<string, string>;
}

/**
 * The commands of `nsc` that make a deployment's accounts under an operator that exists; there is no secret in them. A script of them stops at
 * the first that fails.
 * @throws ScbeError BAD_REQUEST for a folder that could not stand in it
 */
export function renderNsc(
  users: readonly AccessUser[],
  stores: readonly KeyedStoreUser[],
  options: NscOptions,
): readonly string[] {
  const { env, table = ACCESS } = options;
  const accounts = accountsOf(env);
  return [
    "set -eu",
    "umask 077",
    importKeys(options),
    ...accounts.flatMap(({ name, store, jetstream }) => [
      command("add", "account", "--name", name),
      command(
        ...["edit", "account", "--name", name, "--disallow-bearer", "--sk", signerOf(name, options)],
        ...(jetstream === undefined
          ? []
          : [
              ...["--js-mem-storage", "0", "--js-disk-storage", "-1", "--js-max-bytes-required"],
              ...["--js-streams", String(jetstream.streams), "--js-consumer", String(jetstream.consumers)],
            ]),
      ),
      ...(store === undefined ? busScopes(table) : []).map((scope) =>
        command(
          ...["edit", "signing-key", "--account", name, "--sk", "generate", "--role", scope.name],
          ...limits(scope.permissions),
        ),
      ),
    ]),
    ...users.flatMap((user) => addBusUser(user, options)),
    ...stores.flatMap((user) =>
      addUser(user, storeAccount(env, user.account), { permissions: storePermissionsOf(user) }, options),
    ),
    ...accounts.map(({ name }) => push(name)),
  ];
}

/** Those that add one user of the bus. Nothing has to be pushed. */
export function nscAddUser(user: AccessUser, options: NscOptions): readonly string[] {
  return [importKeys(options), ...addBusUser(user, options)];
}

/** Those that take one user of the bus away; one that is connected is gone when the account is pushed. */
export function nscRemoveUser(user: AccessUser, { env }: NscOptions): readonly string[] {
  const account = busAccount(env);
  return [
    revoke(account, user),
    command("delete", "user", "--account", account, "--name", user.name, "--rm-nkey", "--rm-creds"),
    push(account),
  ];
}

/** Those that give a user of the bus other providers or intents: what was issued to it before is revoked. */
export function nscChangeUser(user: AccessUser, options: NscOptions): readonly string[] {
  const account = busAccount(options.env);
  return [
    revoke(account, user),
    command("delete", "user", "--account", account, "--name", user.name),
    "# A revocation counts for the whole of its second.",
    "sleep 2",
    ...addBusUser(user, options),
    push(account),
  ];
}

/** Not by `delete user --revoke`, which leaves an earlier revocation of the same key as it is. */
function revoke(account: string, { nkey }: AccessUser): string {
  return command("revocations", "add-user", "--account", account, "--user-public-key", nkey);
}

function addBusUser(user: AccessUser, options: NscOptions): string[] {
  return addUser(user, busAccount(options.env), grantOf(user, options.table), options);
}

function addUser(
  { name, nkey }: { readonly name: string; readonly nkey: string },
  account: string,
  grant: UserGrant,
  options: NscOptions,
): string[] {
  const creds = `${options.folder}/${name}.creds`;
  const granted =
    "scope" in grant
      ? ["-K", grant.scope, ...grant.tags.flatMap((tag) => ["--tag", tag])]
      : ["-K", signerOf(account, options), ...limits(grant.permissions)];
  return [
    command("add", "user", "--account", account, "--name", name, "--public-key", nkey, ...granted),
    command("generate", "creds", "--account", account, "--name", name, "--output-file", creds),
  ];
}

/** An empty list must deny all: no list at all means that all is allowed. Subjects have no comma, which would separate two. */
function limits({ publish, subscribe }: Permissions): string[] {
  const listed = (kind: "pub" | "sub", subjects: readonly string[]): string[] =>
    subjects.length === 0
      ? [`--deny-${kind}`, ">"]
      : subjects.flatMap((subject) => [`--allow-${kind}`, subject]);
  return [...listed("pub", publish), ...listed("sub", subscribe)];
}

function signerOf(account: string, { signers }: NscOptions): string {
  const signer = signers.get(account);
  if (signer === undefined) throw new ScbeError("BAD_REQUEST", `${account} has no signing key`);
  return signer;
}

/** Into the key store of `nsc`: without a user's seed it makes no credentials file. */
function importKeys({ folder }: NscOptions): string {
  return command("import", "keys", "--dir", folder);
}

function push(account: string): string {
  return command("push", "--account", account);
}

function command(...words: string[]): string {
  return ["nsc", ...words].map(shellWord).join(" ");
}

function shellWord(word: string): string {
  if (/^[\w./:=-]+$/.test(word)) return word;
  if (!/^[\x20-\x7e]+$/.test(word) || word.includes("'"))
    throw new ScbeError("BAD_REQUEST", `${JSON.stringify(word)} cannot stand in a command`);
  return `'${word}'`;
}
