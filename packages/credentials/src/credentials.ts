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
import { environmentOf, identityVariables, renderEnvironment, SECRET_FILES } from "./environment.ts";
import { json, keepFile, keepOrCreateSeed } from "./files.ts";

export type CredentialsOptions = Deployment &
  Omit<ServerConfigOptions, "storeDir"> & {
    /** Folder of JetStream's files; default `jetstream` in the folder of the credentials. */
    readonly storeDir?: string;
    /** How nats-server learns accounts and users; default `nkeys`. */
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
   * The key that signs control documents, for SCBE_CONTROL_SEED_FILE of the controllers, and of the kill switch if no controller runs.
   */
  readonly controlSeedFile: string;
  /** Its public nkey, for SCBE_CONTROL_PUBLIC_KEY of every verifier. */
  readonly controlPublicKey: string;
  /** The file that holds a user's seed, for NATS_NKEY_SEED_FILE, or its JWT and seed, for NATS_CREDS. @throws ScbeError BAD_REQUEST for an unknown name */
  seedFile(name: string): string;
  /** The transport of a service, or another user, to the account of its store. */
  storeTransport(account: StoreAccount, servers: readonly string[], role?: StoreRole): StoreTransport;
  /** The variables that identify a user: on the bus and, for a service with state, in its store's account. */
  environment(name: string): Readonly<Record<string, string>>;
  /** A user's transport to `servers`. @throws ScbeError BAD_REQUEST for an unknown name */
  transport(name: string, servers: readonly string[]): Transport;
  /** The accounts, including the system's, if they are JWTs. */
  readonly jwts: readonly IssuedAccount[];
}

/** An account's JWT, in the folder of the resolver. */
export interface IssuedAccount {
  readonly name: string;
  readonly nkey: string;
  readonly jwt: string;
  /** It differs from the former one, so servers with that need a push. */
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
    // No name of a bus user has a dot.
    controlSeedFile: join(folder, "control.signing.seed"),
    storeDir: storeDir ?? join(folder, "jetstream"),
  };
}

/** The TLS files of the server's configuration. */
export function tlsOf({ tls }: Pick<DeploymentFile, "tls">): Pick<ServerConfigOptions, "tls"> {
  if (tls === undefined) return {};
  const { cert, key, ca } = tls;
  return { tls: { cert, key, ...(ca !== undefined && { ca }) } };
}

export function deploymentFileIn(folder: string): string {
  return join(folder, "deployment.json");
}

/**
 * The deployment of these options, with the changes of its users that were made in this folder since.
 * @throws ScbeError BAD_REQUEST if the folder has another environment or other accounts
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
    throw new ScbeError("BAD_REQUEST", `${folder} belongs to ${is}, not to ${env} with ${accounts}`);
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

/** The users in the file; none if it does not exist. @throws ScbeError BAD_REQUEST */
export function readUsers(usersFile: string): UserList {
  if (!existsSync(usersFile)) return [];
  try {
    return UserList.parse(JSON.parse(readFileSync(usersFile, "utf8")));
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", `${usersFile} is not a list of users`, { cause });
  }
}

/** The endings of a user's files in the folder. */
const USER_FILES = ["seed", "nk", "creds", "env"];

/**
 * Writes the files of every rendering: the list of users, and each user's variables. It deletes the files of former users.
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
