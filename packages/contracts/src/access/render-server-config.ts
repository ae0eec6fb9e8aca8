import { ScbeError } from "../errors.ts";
import type { Environment } from "../names.ts";
import { ACCESS, type AccessTable } from "./access-table.ts";
import { type AccessUser, checkUsers } from "./access-user.ts";
import { permissionsOf } from "./permissions-of.ts";
import { allStores } from "./stores.ts";

export interface ServerConfigOptions {
  /** One environment is one account. */
  readonly env: Environment;
  /** Files of the server's certificate (PEM), or `$VARIABLE`s that name them; absent: no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** Folder of JetStream's files, or a `$VARIABLE`; absent: told to the server on its command line. */
  readonly storeDir?: string;
  readonly table?: AccessTable;
}

/** Bytes of one message, headers and data together. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
/** Watches of all replicas of all services, with room for those that a broken link left behind. */
const CONSUMERS_MAX = 256;

/**
 * nats-server's configuration (2.9 and later) for these users. It holds public nkeys only, or the names of variables.
 * @throws ScbeError BAD_REQUEST when a user or an option could not stand in it
 */
export function renderServerConfig(users: readonly AccessUser[], options: ServerConfigOptions): string {
  const { env, table = ACCESS } = options;
  checkUsers(users, table);
  return [
    `max_payload: ${MAX_PAYLOAD_BYTES}`,
    "# A frozen client or server is noticed in three seconds.",
    'ping_interval: "1s"',
    "ping_max: 2",
    ...(options.storeDir === undefined ? [] : [`jetstream { store_dir: ${word(options.storeDir)} }`]),
    ...tlsBlock(options.tls),
    "",
    "accounts {",
    `  SCBE_${env.toUpperCase()} {`,
    `    jetstream { max_streams: ${allStores().length}, max_consumers: ${CONSUMERS_MAX} }`,
    "    users: [",
    ...users.flatMap((user) => userBlock(user, users, table)),
    "    ]",
    "  }",
    "}",
    "",
  ].join("\n");
}

function userBlock(user: AccessUser, users: readonly AccessUser[], table: AccessTable): string[] {
  const { publish, subscribe } = permissionsOf(user, users, table);
  return [
    `      # ${user.name} (${user.role})`,
    `      { nkey: ${user.nkey}, permissions: {`,
    ...subjectList("publish", publish),
    ...subjectList("subscribe", subscribe),
    "      } }",
  ];
}

/** An empty list must deny all: to the server, no list at all means that all is allowed. */
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

/** A `$VARIABLE` as it is, anything else as a string. */
function word(value: string): string {
  if (/^\$[A-Z][A-Z0-9_]*$/.test(value)) return value;
  if (!/^[\x20-\x7e]+$/.test(value)) throw new ScbeError("BAD_REQUEST", "a path with unprintable characters");
  return JSON.stringify(value);
}
