import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { StoreTransport, Transport } from "@scbe/bus";
import {
  type AccessTable,
  type AccessUser,
  type Deployment,
  type KeyedStoreUser,
  listUsers,
  ScbeError,
  type ServerConfigOptions,
  type StoreAccount,
  type StoreRole,
  UserList,
} from "@scbe/contracts";
import { type DeploymentFile, type Rendering, readDeployment, tableOf } from "./deployment-file.ts";
import { environmentOf, identityVariables, renderEnvironment, SECRET_FILES } from "./environment-of.ts";
import { json, keepFile, keepOrCreateSeed } from "./files.ts";

export type CredentialsOptions = Deployment &
  Omit<ServerConfigOptions, "storeDir"> & {
    /** Folder of JetStream's files; `jetstream` in the folder of the credentials unless told. */
    readonly storeDir?: string;
    /** How accounts and users come to nats-server; `nkeys` unless told. */
    readonly accounts?: Rendering;
  };

export interface Credentials {
  readonly accounts: Rendering;
  /** All users, with their public nkeys. */
  readonly users: readonly AccessUser[];
  /** The users of the stores' accounts, with their public nkeys. */
  readonly stores: readonly KeyedStoreUser[];
  /** nats-server's configuration, without address and port. */
  readonly configFile: string;
  /** The list of all users, for SCBE_USERS_FILE of keyring, trust scorer and rollback controller. */
  readonly usersFile: string;
  /** The keyring's public nkey, for SCBE_KEYRING_PUBLIC_KEY. */
  readonly keyringPublicKey: string;
  /**
   * The key that signs control documents, for SCBE_CONTROL_SEED_FILE: of the controllers, and of the kill switch where none runs.
   */
  readonly controlSeedFile: string;
  /** Its public nkey, for SCBE_CONTROL_PUBLIC_KEY of every verifier. */
  readonly controlPublicKey: string;
  /** The file that holds a user's seed, for NATS_NKEY_SEED_FILE, or its JWT and seed, for NATS_CREDS. @throws ScbeError BAD_REQUEST for an unknown name */
  seedFile(name: string): string;
  /** How a service reaches the account of its store, or another user of that account does. */
  storeTransport(account: StoreAccount, servers: readonly string[], role?: StoreRole): StoreTransport;
  /** The variables that identify a user: on the bus and, of a service with state, in its store's account. */
  environment(name: string): Readonly<Record<string, string>>;
  /** How a user reaches `servers`. @throws ScbeError BAD_REQUEST for an unknown name */
  transport(name: string, servers: readonly string[]): Transport;
  /** The accounts, the system's own included, where they are JWTs. */
  readonly jwts: readonly IssuedAccount[];
}

/** An account's JWT, which the folder of the resolver has. */
export interface IssuedAccount {
  readonly name: string;
  readonly nkey: string;
  readonly jwt: string;
  /** It says something else than before: servers that have the former one are to be told. */
  readonly isNew: boolean;
}

/** The files of a folder of credentials that do not depend on the rendering. */
export interface FolderPaths {
  readonly folder: string;
  readonly deploymentFile: string;
  readonly configFile: string;
  readonly usersFile: string;
  readonly controlSeedFile: string;
  readonly storeDir: string;
}

export function pathsIn(folder: string, { storeDir }: Pick<DeploymentFile, "storeDir">): FolderPaths {
  return {
    folder,
    deploymentFile: deploymentFileIn(folder),
    configFile: join(folder, "nats.conf"),
    usersFile: join(folder, "users.json"),
    // No user of the bus can have a name with a dot.
    controlSeedFile: join(folder, "control.signing.seed"),
    storeDir: storeDir ?? join(folder, "jetstream"),
  };
}

/** The server's files, as its configuration takes them. */
export function tlsOf({ tls }: Pick<DeploymentFile, "tls">): Pick<ServerConfigOptions, "tls"> {
  if (tls === undefined) return {};
  const { cert, key, ca } = tls;
  return { tls: { cert, key, ...(ca !== undefined && { ca }) } };
}

export function deploymentFileIn(folder: string): string {
  return join(folder, "deployment.json");
}

/**
 * The deployment of these options, with what a person has changed of its users in this folder since.
 * @throws ScbeError BAD_REQUEST when the folder is another environment's or has other accounts
 */
export function deploymentWith(
  folder: string,
  options: CredentialsOptions,
): { file: DeploymentFile; table: AccessTable } {
  const {
    accounts = "nkeys",
    env,
    providers,
    intents,
    orchestrators,
    gateways,
    users,
    storeDir,
    tls,
    table,
  } = options;
  const former = readDeployment(deploymentFileIn(folder));
  if (former !== undefined && (former.accounts !== accounts || former.environment !== env)) {
    const is = `${former.environment} with ${former.accounts}`;
    throw new ScbeError("BAD_REQUEST", `${folder} is of ${is}, not of ${env} with ${accounts}`);
  }
  const file: DeploymentFile = {
    format: 1,
    accounts,
    environment: env,
    fallback: table?.orchestrator.publishes.includes("fallback") === true,
    ...(storeDir !== undefined && { storeDir }),
    ...(tls !== undefined && { tls: { ...tls } }),
    base: {
      providers: [...providers],
      ...(intents && { intents: [...intents] }),
      ...(orchestrators && { orchestrators: [...orchestrators] }),
      ...(gateways && { gateways: [...gateways] }),
      ...(users && {
        users: users.map(({ name, role, providers: own, intents: limits }) => ({
          ...{ name, role, providers: [...own] },
          ...(limits && { intents: [...limits] }),
        })),
      }),
    },
    users: former?.users ?? [],
    removed: former?.removed ?? [],
    revoked: former?.revoked ?? {},
  };
  return { file, table: table ?? tableOf(file) };
}

/** The users as they were last listed; none where nothing is there. @throws ScbeError BAD_REQUEST */
export function readUsers(usersFile: string): UserList {
  if (!existsSync(usersFile)) return [];
  try {
    return UserList.parse(JSON.parse(readFileSync(usersFile, "utf8")));
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", `${usersFile} is no list of users`, { cause });
  }
}

/** All that a user may have in the folder. */
const USER_FILES = ["seed", "nk", "creds", "env"];

/**
 * Writes what every rendering has: the list of users, and each user's variables. What belonged to users that are none any more goes.
 */
export function writeFolder(
  paths: FolderPaths,
  file: DeploymentFile,
  { users, stores, jwts = [] }: Pick<Credentials, "users" | "stores"> & Partial<Pick<Credentials, "jwts">>,
): Credentials {
  const { folder, configFile, usersFile, controlSeedFile } = paths;
  const find = (name: string): AccessUser => {
    const user = users.find((candidate) => candidate.name === name);
    if (user === undefined) throw new ScbeError("BAD_REQUEST", `no user is named ${JSON.stringify(name)}`);
    return user;
  };
  const controlPublicKey = keepOrCreateSeed(controlSeedFile).publicKey;
  const keyringPublicKey = find("keyring").nkey;
  const names = new Set(users.map(({ name }) => name));
  for (const { name } of readUsers(usersFile)) {
    if (names.has(name)) continue;
    for (const ending of USER_FILES) rmSync(join(folder, `${name}.${ending}`), { force: true });
  }
  for (const user of users) {
    const variables = environmentOf(user, { ...paths, ...file, keyringPublicKey, controlPublicKey });
    keepFile(join(folder, `${user.name}.env`), renderEnvironment(variables));
  }
  keepFile(usersFile, json(listUsers(users)));
  const secretFile = (name: string): string => join(folder, `${name}.${SECRET_FILES[file.accounts]}`);
  const by = file.accounts === "nkeys" ? "nkeySeedFile" : "credsFile";
  const seedFile = (name: string): string => secretFile(find(name).name);
  return {
    ...{ accounts: file.accounts, users, configFile, usersFile, keyringPublicKey },
    ...{ controlSeedFile, controlPublicKey, seedFile },
    ...{ stores, jwts },
    environment: (name) => identityVariables(find(name), { ...file, folder }),
    storeTransport: (account, servers, role = "store") => ({
      ...{ account, user: role, servers },
      [by]: secretFile(`${account}.${role}`),
    }),
    transport: (name, servers) => ({ servers, [by]: seedFile(name), role: find(name).role }),
  };
}
