import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { join, resolve } from "node:path";
import {
  type AccessUser,
  askersOf,
  type Deployment,
  deploymentUsers,
  renderServerConfig,
  ScbeError,
  type ServerConfigOptions,
} from "@scbe/contracts";
import { nkeys } from "nats";
import { isOpenToOthers } from "../config/builders.ts";
import type { Transport } from "../transport.ts";
import { loadIdentity } from "./load-identity.ts";

export type CredentialsOptions = Deployment & ServerConfigOptions;

export interface Credentials {
  /** All users, with their public nkeys. */
  readonly users: readonly AccessUser[];
  /** nats-server's configuration; without port, and without a store unless one was given. */
  readonly configFile: string;
  /** The keyring's list of askers, for SCBE_KEYRING_ASKERS_FILE. */
  readonly askersFile: string;
  /** The keyring's public nkey, for SCBE_KEYRING_PUBLIC_KEY. */
  readonly keyringPublicKey: string;
  /**
   * The key that signs control documents, for SCBE_CONTROL_SEED_FILE: the controllers', and in the hands of whoever has to switch off
   * without one.
   */
  readonly controlSeedFile: string;
  /** Its public nkey, for SCBE_CONTROL_PUBLIC_KEY of every verifier. */
  readonly controlPublicKey: string;
  /** The file that holds a user's seed, for NATS_NKEY_SEED_FILE. @throws ScbeError BAD_REQUEST for an unknown name */
  seedFile(name: string): string;
  /** How a user reaches `servers`. @throws ScbeError BAD_REQUEST for an unknown name */
  transport(name: string, servers: readonly string[]): Transport;
}

/**
 * Gives every user of a deployment an nkey of its own: seeds in files that only their owner may read, in a folder that only
 * its owner may enter, beside `users.json`, `nats.conf` and `askers.json`, which hold public nkeys only. Seeds that are
 * there already are kept, so that it can run before every start.
 * @throws ScbeError BAD_REQUEST for users that do not fit the table, FORBIDDEN for a seed file that others may read or
 *   that holds no seed
 */
export function issueCredentials(dir: string, options: CredentialsOptions): Credentials {
  const folder = resolve(dir);
  const unkeyed = deploymentUsers(options, options.table);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);

  const seedPath = (name: string): string => join(folder, `${name}.seed`);
  const users = unkeyed.map((user) => ({ ...user, nkey: keepOrCreateSeed(seedPath(user.name)) }));
  const controlSeedFile = seedPath(CONTROL_KEY);
  const controlPublicKey = keepOrCreateSeed(controlSeedFile);
  const configFile = join(folder, "nats.conf");
  const askersFile = join(folder, "askers.json");
  replaceFile(configFile, renderServerConfig(users, options));
  replaceFile(askersFile, json(askersOf(users, options.table)));
  replaceFile(join(folder, "users.json"), json(users));

  const find = (name: string): AccessUser => {
    const user = users.find((candidate) => candidate.name === name);
    if (user === undefined) throw new ScbeError("BAD_REQUEST", `no user is named ${JSON.stringify(name)}`);
    return user;
  };
  const seedFile = (name: string): string => seedPath(find(name).name);
  return {
    users,
    configFile,
    askersFile,
    keyringPublicKey: find("keyring").nkey,
    controlSeedFile,
    controlPublicKey,
    seedFile,
    transport: (name, servers) => ({ servers, nkeySeedFile: seedFile(name) }),
  };
}

/** No user can have a name with a dot. */
const CONTROL_KEY = "control.signing";

/** The public nkey of the seed in `path`, which is made where there is none. */
function keepOrCreateSeed(path: string): string {
  if (!existsSync(path)) createSeed(path);
  if (isOpenToOthers(statSync(path).mode)) throw new ScbeError("FORBIDDEN", `others may read ${path}`);
  const identity = loadIdentity({ nkeySeedFile: path });
  if (identity === undefined) throw new ScbeError("FORBIDDEN", `${path} holds no valid user seed`);
  return identity.publicKey;
}

function createSeed(path: string): void {
  const pair = nkeys.createUser();
  const seed = pair.getSeed();
  replaceFile(path, seed);
  seed.fill(0);
  pair.clear();
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Whole or not at all, also when the machine stops in between. */
function replaceFile(path: string, content: string | Uint8Array): void {
  const fresh = `${path}.${process.pid}.new`;
  const file = openSync(fresh, "w", 0o600);
  try {
    writeSync(file, Buffer.from(content));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
}
