import { ScbeError } from "../errors.ts";
import type { Environment } from "../names.ts";
import { ACCESS, type AccessTable } from "./access-table.ts";
import { busScopes, grantOf, type Permissions, type UserGrant } from "./permissions.ts";
import type { KeyedStoreUser } from "./render-server-config.ts";
import { accountsOf, busAccount, storeAccount, storePermissionsOf } from "./stores.ts";
import type { AccessUser } from "./users.ts";

export interface NscOptions {
  readonly env: Environment;
  readonly table?: AccessTable;
  /** The folder with the seed of each user and of each account's signing key in a file `.nk`. The credentials files go there, too. */
  readonly folder: string;
  /** The public nkey of each account's signing key, by the account's name. */
  readonly signers: ReadonlyMap<string, string>;
}

/**
 * The commands of `nsc` that create a deployment's accounts under an existing operator, without any secret. A script of them stops at
 * the first failure.
 * @throws ScbeError BAD_REQUEST for a folder that a command cannot hold
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

/** The commands that add a user of the bus. They need no push. */
export function nscAddUser(user: AccessUser, options: NscOptions): readonly string[] {
  return [importKeys(options), ...addBusUser(user, options)];
}

/** The commands that remove a user of the bus; the push ends its connections. */
export function nscRemoveUser(user: AccessUser, { env }: NscOptions): readonly string[] {
  const account = busAccount(env);
  return [
    revoke(account, user),
    command("delete", "user", "--account", account, "--name", user.name, "--rm-nkey", "--rm-creds"),
    push(account),
  ];
}

/** The commands that give a user of the bus other providers or intents; they revoke its former credentials. */
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

/** `delete user --revoke` would keep an earlier revocation of the same key unchanged. */
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

/** An empty list denies all, since no list would allow all. Subjects have no comma, which would separate two. */
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

/** Imports the seeds into the key store of `nsc`, which creates no credentials file without the user's seed. */
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
    throw new ScbeError("BAD_REQUEST", `${JSON.stringify(word)} cannot be part of a command`);
  return `'${word}'`;
}
