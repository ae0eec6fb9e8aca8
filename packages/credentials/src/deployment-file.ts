import { existsSync, readFileSync } from "node:fs";
import {
  ACCESS,
  ACCESS_WITH_FALLBACK,
  type AccessTable,
  checkScope,
  cutText,
  type Deployment,
  deploymentUsers,
  ENVIRONMENTS,
  Name,
  ROLES,
  ScbeError,
  type UnkeyedUser,
  USERS_MAX,
} from "@scbe/contracts";
import { z } from "zod";

/** How nats-server learns a deployment's accounts and users. */
export const RENDERINGS = ["nkeys", "jwt", "nsc"] as const;
export type Rendering = (typeof RENDERINGS)[number];

const User = z.strictObject({
  name: Name,
  role: z.enum(ROLES),
  providers: z.array(Name).max(64),
  intents: z.array(Name).max(64).optional(),
});
const Names = z.array(Name).max(USERS_MAX);

/**
 * The content of `deployment.json` in the folder of the credentials: the options of the deployment, and the users that were added, changed or
 * removed since. All other files follow from it and from the seeds.
 */
const DeploymentFile = z.strictObject({
  format: z.literal(1),
  accounts: z.enum(RENDERINGS),
  environment: z.enum(ENVIRONMENTS),
  fallback: z.boolean(),
  storeDir: z.string().optional(),
  tls: z.strictObject({ cert: z.string(), key: z.string(), ca: z.string().optional() }).optional(),
  /** The options of its last creation. */
  base: z.strictObject({
    providers: z.array(Name).min(1).max(64),
    intents: z.array(Name).min(1).max(64).optional(),
    orchestrators: Names.optional(),
    gateways: Names.optional(),
    users: z.array(User).max(USERS_MAX).optional(),
  }),
  /** Added users, and changed users of the base. */
  users: z.array(User).max(USERS_MAX),
  removed: Names,
  /** By public nkey: JWTs that were issued up to that second (Unix time) are void. */
  revoked: z.record(z.string().regex(/^U[A-Z2-7]{55}$/), z.number().int().positive()),
});
export type DeploymentFile = z.infer<typeof DeploymentFile>;

/** `undefined` if there is no such file. @throws ScbeError BAD_REQUEST if it is unusable */
export function readDeployment(path: string): DeploymentFile | undefined {
  if (!existsSync(path)) return undefined;
  const parsed = DeploymentFile.safeParse(readJson(path));
  if (!parsed.success) throw new ScbeError("BAD_REQUEST", `${path}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

export function tableOf({ fallback }: Pick<DeploymentFile, "fallback">): AccessTable {
  return fallback ? ACCESS_WITH_FALLBACK : ACCESS;
}

/**
 * The users of a deployment, with all changes.
 * @throws ScbeError BAD_REQUEST if one does not fit its role, or has a provider or an intent that the deployment lacks
 */
export function usersOf(
  { base, users, removed }: Pick<DeploymentFile, "base" | "users" | "removed">,
  table: AccessTable,
): UnkeyedUser[] {
  const created = deploymentUsers(base as Deployment, table);
  const kept = created.filter(({ name }) => !removed.includes(name));
  const changed = new Map(users.map((user) => [user.name, user]));
  const all = [
    ...kept.map((user) => changed.get(user.name) ?? user),
    ...users.filter(({ name }) => !kept.some((user) => user.name === name)),
  ] as UnkeyedUser[];
  for (const user of all) {
    checkScope(user.role, user, table);
    const unknown = user.providers.find((provider) => !base.providers.includes(provider));
    if (unknown !== undefined)
      throw refused(`the user ${user.name} has the provider ${unknown}, which this deployment lacks`);
    const unserved = base.intents && user.intents?.find((intent) => !base.intents?.includes(intent));
    if (unserved !== undefined)
      throw refused(
        `the user ${user.name} has the intent ${unserved}, which this deployment does not serve; it serves ${base.intents?.join(", ")} (SCBE_INTENTS)`,
      );
  }
  return all;
}

/** A change of a user; missing members stay as they are. */
export interface UserChange {
  readonly providers?: readonly string[];
  /** `null`: all of the deployment. */
  readonly intents?: readonly string[] | null;
}

/** @throws ScbeError BAD_REQUEST for an existing name, or a role other than a caller's */
export function withUser(file: DeploymentFile, user: UnkeyedUser): DeploymentFile {
  if (usersOf(file, tableOf(file)).some(({ name }) => name === user.name))
    throw refused(`the user ${user.name} exists already; change it, or remove it first`);
  if (!isCaller(user)) throw refused(`users are added as orchestrator or gateway, not as ${user.role}`);
  return overlaid(file, user);
}

/** @throws ScbeError BAD_REQUEST for an unknown user, or one that is not a caller */
export function withChangedUser(file: DeploymentFile, name: string, change: UserChange): DeploymentFile {
  const { intents, ...user } = findCaller(file, name);
  const wanted = change.intents === undefined ? intents : (change.intents ?? undefined);
  return overlaid(file, {
    ...user,
    ...(change.providers && { providers: change.providers }),
    ...(wanted && { intents: wanted }),
  });
}

/** @throws ScbeError BAD_REQUEST for an unknown user, or one that is not a caller */
export function withoutUser(file: DeploymentFile, name: string): DeploymentFile {
  findCaller(file, name);
  const isOfBase = deploymentUsers(file.base as Deployment, tableOf(file)).some((user) => user.name === name);
  return {
    ...file,
    users: file.users.filter((user) => user.name !== name),
    removed: isOfBase ? [...file.removed, name] : file.removed,
  };
}

function overlaid(file: DeploymentFile, user: UnkeyedUser): DeploymentFile {
  const { name, role, providers, intents } = user;
  const entry = { name, role, providers: [...providers], ...(intents && { intents: [...intents] }) };
  const users = [...file.users.filter((other) => other.name !== name), entry];
  const changed = { ...file, users, removed: file.removed.filter((removed) => removed !== name) };
  usersOf(changed, tableOf(changed));
  return changed;
}

function findCaller(file: DeploymentFile, name: string): UnkeyedUser {
  const user = usersOf(file, tableOf(file)).find((candidate) => candidate.name === name);
  if (user === undefined) throw refused(`no user is named ${JSON.stringify(cutText(name, 80))}`);
  if (!isCaller(user))
    throw refused(`${name} is neither an orchestrator nor a gateway: the deployment needs it`);
  return user;
}

function isCaller({ role }: UnkeyedUser): boolean {
  return role === "orchestrator" || role === "gateway";
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", `${path} cannot be read as JSON`, { cause });
  }
}

function refused(why: string): ScbeError {
  return new ScbeError("BAD_REQUEST", why);
}
