import { existsSync } from "node:fs";
import { resolve } from "node:path";
import {
  type AccessUser,
  nscAddUser,
  nscChangeUser,
  nscRemoveUser,
  ScbeError,
  type UnkeyedUser,
  type UserList,
} from "@scbe/contracts";
import { type Credentials, deploymentFileIn, type IssuedAccount, pathsIn, readUsers } from "./credentials.ts";
import {
  type DeploymentFile,
  readDeployment,
  tableOf,
  type UserChange,
  withChangedUser,
  withoutUser,
  withUser,
} from "./deployment-file.ts";
import { holdFolder } from "./files.ts";
import { nscOptions, writeDeployment } from "./issue-credentials.ts";

/** A change of one user of a deployment. */
export type DeploymentChange =
  | { readonly kind: "add"; readonly user: UnkeyedUser }
  | { readonly kind: "change"; readonly name: string; readonly change: UserChange }
  | { readonly kind: "remove"; readonly name: string };

/** The result of a change, and what the servers still need. */
export interface ChangedDeployment {
  readonly credentials: Credentials;
  /** The user after the change; a removed user as it was before. */
  readonly user: AccessUser;
  readonly server: ServerDuty;
}

export type ServerDuty =
  /** Reload the configuration of nats-server. */
  | { readonly accounts: "nkeys" }
  /** Push these accounts; if there are none, nothing is left to do. */
  | { readonly accounts: "jwt"; readonly push: readonly IssuedAccount[] }
  /** Run these commands. */
  | { readonly accounts: "nsc"; readonly commands: readonly string[] };

/**
 * Adds, changes or removes one user in a folder of credentials. No other user's seed or credentials change.
 * @throws ScbeError BAD_REQUEST for a folder without a deployment, or a change that does not fit it; as {@link issueCredentials}
 */
export function changeDeployment(dir: string, change: DeploymentChange): ChangedDeployment {
  const folder = resolve(dir);
  openDeployment(folder);
  using _ = holdFolder(folder);
  const { file } = openDeployment(folder);
  const name = change.kind === "add" ? change.user.name : change.name;
  const changed = applied(file, change);
  const before = readUsers(pathsIn(folder, file).usersFile).find((user) => user.name === name);
  const credentials = writeDeployment(folder, changed, tableOf(changed));
  const user =
    credentials.users.find((candidate) => candidate.name === name) ?? (before as AccessUser | undefined);
  if (user === undefined)
    throw new ScbeError("BAD_REQUEST", `${folder} has no user ${name}; create the deployment again`);
  return { credentials, user, server: dutyOf(change.kind, user, changed, folder, credentials) };
}

/** The deployment in a folder. */
export interface OpenedDeployment {
  readonly file: DeploymentFile;
  readonly users: UserList;
}

/** The deployment file of a folder; `undefined` if it has none. @throws ScbeError BAD_REQUEST */
export function deploymentIn(dir: string): DeploymentFile | undefined {
  return readDeployment(deploymentFileIn(resolve(dir)));
}

/** @throws ScbeError BAD_REQUEST for a folder without a deployment */
export function openDeployment(dir: string): OpenedDeployment {
  const folder = resolve(dir);
  const file = readDeployment(deploymentFileIn(folder));
  if (file === undefined || !existsSync(pathsIn(folder, file).usersFile))
    throw new ScbeError("BAD_REQUEST", `${folder} holds no deployment`);
  return { file, users: readUsers(pathsIn(folder, file).usersFile) };
}

function applied(file: DeploymentFile, change: DeploymentChange): DeploymentFile {
  if (change.kind === "add") return withUser(file, change.user);
  return change.kind === "change"
    ? withChangedUser(file, change.name, change.change)
    : withoutUser(file, change.name);
}

function dutyOf(
  kind: DeploymentChange["kind"],
  user: AccessUser,
  file: DeploymentFile,
  folder: string,
  { jwts }: Credentials,
): ServerDuty {
  const { accounts } = file;
  if (accounts === "nkeys") return { accounts };
  if (accounts === "jwt") return { accounts, push: jwts.filter(({ isNew }) => isNew) };
  const render = { add: nscAddUser, change: nscChangeUser, remove: nscRemoveUser }[kind];
  return { accounts, commands: render(user, nscOptions(folder, file, tableOf(file))) };
}
