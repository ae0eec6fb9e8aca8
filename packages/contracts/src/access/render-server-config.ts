import { ScbeError } from "../errors.ts";
import type { Environment } from "../names.ts";
import { ACCESS, type AccessTable } from "./access-table.ts";
import { type Permissions, permissionsOf } from "./permissions.ts";
import { accountsOf, type StoreUser, storePermissionsOf } from "./stores.ts";
import { type AccessUser, checkUsers, isNkeyOrVariable } from "./users.ts";

/** A user of a store's account with its public nkey, or the name of a variable. */
export type KeyedStoreUser = StoreUser & { readonly nkey: string };

export interface ServerConfigOptions {
  /** An environment has one account for the bus, and one for each store. */
  readonly env: Environment;
  /** Files of the server's certificate (PEM), or `$VARIABLE`s that name them; absent: no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** Folder of JetStream's files, or a `$VARIABLE`. */
  readonly storeDir: string;
  readonly table?: AccessTable;
}

/** The longest message, headers and data together. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
/** The longest line of the protocol: one holds the JWT of a user with 64 providers and 64 intents of the longest names. */
const MAX_CONTROL_LINE_BYTES = 64 * 1024;

/**
 * nats-server's configuration (2.9 and later) for these users. It holds only public nkeys, or the names of variables. JetStream is
 * in the file and never on the command line: adding a user reloads the file, and a reload without JetStream in the file would stop it.
 * @throws ScbeError BAD_REQUEST for a user or an option that it cannot hold
 */
export function renderServerConfig(
  users: readonly AccessUser[],
  stores: readonly KeyedStoreUser[],
  options: ServerConfigOptions,
): string {
  const { env, table = ACCESS } = options;
  checkUsers(users, table);
  for (const { name, nkey } of stores)
    if (!isNkeyOrVariable(nkey)) throw new ScbeError("BAD_REQUEST", `${name} has no valid public nkey`);
  return [
    ...serverLines(options),
    "",
    "accounts {",
    ...accountsOf(env).flatMap(({ name, store, jetstream }) => [
      ...(store === undefined ? ["  # The bus. It has no JetStream."] : []),
      `  ${name} {`,
      ...(jetstream === undefined
        ? []
        : [`    jetstream { max_streams: ${jetstream.streams}, max_consumers: ${jetstream.consumers} }`]),
      "    users: [",
      ...(store === undefined
        ? users.flatMap((user) =>
            userBlock(`${user.name} (${user.role})`, user.nkey, permissionsOf(user, table)),
          )
        : stores
            .filter((user) => user.account === store)
            .flatMap((user) => userBlock(user.name, user.nkey, storePermissionsOf(user)))),
      "    ]",
      "  }",
    ]),
    "}",
    "",
  ].join("\n");
}

export interface JwtServerConfigOptions extends Omit<ServerConfigOptions, "env" | "table"> {
  readonly operatorJwt: string;
  /** The system account's public nkey and JWT: a server with an empty folder starts with it, and gets the others by a push. */
  readonly systemAccount: { readonly nkey: string; readonly jwt: string };
  /** The server's folder for the accounts' JWTs. */
  readonly resolverDir: string;
}

/** nats-server's configuration (2.9 and later) with operator and accounts as JWTs. It names no user. */
export function renderJwtServerConfig(options: JwtServerConfigOptions): string {
  const { nkey, jwt } = options.systemAccount;
  return [
    ...serverLines(options),
    "# Where users have long lists of providers or intents, their JWTs exceed the server's usual line of 4096 bytes.",
    `max_control_line: ${MAX_CONTROL_LINE_BYTES}`,
    `operator: ${options.operatorJwt}`,
    `system_account: ${nkey}`,
    `resolver { type: full, dir: ${word(options.resolverDir)}, allow_delete: false, interval: "2m" }`,
    `resolver_preload { ${nkey}: ${jwt} }`,
    "",
  ].join("\n");
}

/** Lines of both renderings. */
function serverLines({ storeDir, tls }: Pick<ServerConfigOptions, "storeDir" | "tls">): string[] {
  return [
    `max_payload: ${MAX_PAYLOAD_BYTES}`,
    "# A frozen client or server is noticed in three seconds.",
    'ping_interval: "1s"',
    "ping_max: 2",
    `jetstream { store_dir: ${word(storeDir)} }`,
    ...tlsBlock(tls),
  ];
}

function userBlock(comment: string, nkey: string, { publish, subscribe }: Permissions): string[] {
  return [
    `      # ${comment}`,
    `      { nkey: ${nkey}, permissions: {`,
    ...subjectList("publish", publish),
    ...subjectList("subscribe", subscribe),
    "      } }",
  ];
}

/** An empty list denies all, since the server would take no list as allowing all. */
function subjectList(name: string, subjects: readonly string[]): string[] {
  if (subjects.length === 0) return [`        ${name}: { deny: [">"] }`];
  return [
    `        ${name}: { allow: [`,
    ...subjects.map((subject) => `          ${JSON.stringify(subject)}`),
    "        ] }",
  ];
}

function tlsBlock(tls: ServerConfigOptions["tls"]): string[] {
  if (tls === undefined) return [];
  const { cert, key, ca } = tls;
  return [
    "tls {",
    `  cert_file: ${word(cert)}`,
    `  key_file: ${word(key)}`,
    ...(ca === undefined ? [] : [`  ca_file: ${word(ca)}`, "  verify: true"]),
    "}",
  ];
}

/** A `$VARIABLE` unchanged, any other value as a string. */
function word(value: string): string {
  if (/^\$[A-Z][A-Z0-9_]*$/.test(value)) return value;
  if (!/^[\x20-\x7e]+$/.test(value)) throw new ScbeError("BAD_REQUEST", "a path with unprintable characters");
  return JSON.stringify(value);
}
