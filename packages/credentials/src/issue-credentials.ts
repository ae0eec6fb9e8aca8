import { join, resolve } from "node:path";
import {
  type AccessTable,
  type AccessUser,
  accountsOf,
  type KeyedStoreUser,
  type NscOptions,
  renderNsc,
  renderServerConfig,
  storeUsers,
} from "@scbe/contracts";
import {
  type Credentials,
  type CredentialsOptions,
  deploymentWith,
  pathsIn,
  tlsOf,
  writeFolder,
} from "./credentials.ts";
import { type DeploymentFile, usersOf } from "./deployment-file.ts";
import { holdFolder, json, keepFile, keepOrCreateSeed, makePrivateFolder } from "./files.ts";
import { writeJwt } from "./write-jwt.ts";

/**
 * Gives every user of a deployment, and of its stores' accounts, an nkey of its own, in files that only their owner may read, in a folder that only
 * its owner may enter. It also writes `users.json`, `nats.conf` and each user's variables, which hold no secret. It keeps existing seeds, and users
 * that were added, changed or removed since, so that it can run before every start.
 * @throws ScbeError BAD_REQUEST for users that do not fit the table and for a folder of another user, FORBIDDEN for a seed file that other users may
 *   read or that holds no seed, CONFLICT while another process changes the folder
 */
export function issueCredentials(dir: string, options: CredentialsOptions): Credentials {
  const folder = resolve(dir);
  const { file, table } = deploymentWith(folder, options);
  usersOf(file, table);
  makePrivateFolder(folder);
  using _ = holdFolder(folder);
  // Another process may have changed a user meanwhile.
  return writeDeployment(folder, deploymentWith(folder, options).file, table);
}

/** Writes all files of a deployment, in a folder that this process holds. */
export function writeDeployment(folder: string, file: DeploymentFile, table: AccessTable): Credentials {
  return { nkeys: writeNkeys, jwt: writeJwt, nsc: writeNsc }[file.accounts](folder, file, table);
}

/** Writes users as nkeys in the server's configuration. */
function writeNkeys(folder: string, file: DeploymentFile, table: AccessTable): Credentials {
  const paths = pathsIn(folder, file);
  const { users, stores } = keyed(folder, file, table, "seed");
  const { environment: env } = file;
  const config = renderServerConfig(users, stores, { env, table, storeDir: paths.storeDir, ...tlsOf(file) });
  keepFile(paths.deploymentFile, json(file));
  keepFile(paths.configFile, config);
  return writeFolder(paths, file, { users, stores });
}

/** Writes commands for accounts of another operator, in `nsc.sh`. */
function writeNsc(folder: string, file: DeploymentFile, table: AccessTable): Credentials {
  const paths = pathsIn(folder, file);
  const { users, stores } = keyed(folder, file, table, "nk");
  const commands = renderNsc(users, stores, nscOptions(folder, file, table));
  keepFile(paths.deploymentFile, json(file));
  keepFile(join(folder, "nsc.sh"), `${commands.join("\n")}\n`);
  return writeFolder(paths, file, { users, stores });
}

/** Creates the accounts' signing keys if they do not exist. */
export function nscOptions(
  folder: string,
  { environment: env }: DeploymentFile,
  table: AccessTable,
): NscOptions {
  const signers = accountsOf(env).map(({ name }) => {
    const { publicKey } = keepOrCreateSeed(join(folder, `${name}.signing.nk`), "account");
    return [name, publicKey] as const;
  });
  return { env, table, folder, signers: new Map(signers) };
}

function keyed(
  folder: string,
  file: DeploymentFile,
  table: AccessTable,
  ending: "seed" | "nk",
): { users: AccessUser[]; stores: KeyedStoreUser[] } {
  const withNkey = <U extends { readonly name: string }>(user: U): U & { nkey: string } => ({
    ...user,
    nkey: keepOrCreateSeed(join(folder, `${user.name}.${ending}`)).publicKey,
  });
  return { users: usersOf(file, table).map(withNkey), stores: storeUsers().map(withNkey) };
}
