import { ScbeError } from "../errors.ts";
import type { Environment } from "../names.ts";
import { ACCESS, type AccessTable } from "./access-table.ts";
import { type AccessUser, checkUsers } from "./access-user.ts";
import { permissionsOf } from "./permissions-of.ts";
import { allStores } from "./stores.ts";

export interface ServerConfigOptions {
  /** One environment is one account. */
  readonly env: Environment;
  /** The longest time that a caller may wait for its answer, in ms; the default of SCBE_REQUEST_TIMEOUT_MAX_MS is 120,000. */
  readonly requestTimeoutMaxMs?: number;
  /** Files of the server's certificate (PEM), or `$VARIABLE`s that name them; absent: no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** Folder of JetStream's files, or a `$VARIABLE`; absent: told to the server on its command line. */
  readonly storeDir?: string;
  readonly table?: AccessTable;
}

/** Bytes of one message, headers and data together. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
/** Answers to one question: `accepted` and the answer, and again for a question that was asked again. */
const RESPONSES_MAX = 8;
/** An answer to a question of the longest deadline is still allowed: late ones are only the caller's time-out. */
const RESPONSE_MARGIN_MS = 30_000;
/** Watches of all replicas of all services, with room for those that a broken link left behind. */
const CONSUMERS_MAX = 256;

/**
 * nats-server's configuration (2.9 and later) for these users. It holds public nkeys only, or the names of variables.
 * @throws ScbeError BAD_REQUEST when a user or an option could not stand in it
 */
export function renderServerConfig(users: readonly AccessUser[], options: ServerConfigOptions): string {
  const { env, table = ACCESS, requestTimeoutMaxMs = 120_000 } = options;
  checkUsers(users, table);
  const expiresSeconds = Math.ceil((requestTimeoutMaxMs + RESPONSE_MARGIN_MS) / 1000);
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
    ...users.flatMap((user) => userBlock(user, table, expiresSeconds)),
    "    ]",
    "  }",
    "}",
    "",
  ].join("\n");
}

function userBlock(user: AccessUser, table: AccessTable, expiresSeconds: number): string[] {
  const { publish, subscribe, allowResponses } = permissionsOf(user.role, user, table);
  return [
    `      # ${user.name} (${user.role})`,
    `      { nkey: ${user.nkey}, permissions: {`,
    ...subjectList("publish", publish),
    ...subjectList("subscribe", subscribe),
    ...(allowResponses
      ? [`        allow_responses: { max: ${RESPONSES_MAX}, expires: "${expiresSeconds}s" }`]
      : []),
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
