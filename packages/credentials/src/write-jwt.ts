import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createSeed, importSeed, type NkeySeed, partsOfCreds } from "@scbe/bus";
import {
  type AccessTable,
  type Account,
  accountsOf,
  busAccount,
  busScopes,
  type Environment,
  grantOf,
  PUSH_USER,
  pushPermissions,
  renderJwtServerConfig,
  ScbeError,
  type Scope,
  storeAccount,
  storePermissionsOf,
  storeUsers,
  type UnkeyedUser,
  type UserGrant,
} from "@scbe/contracts";
import {
  type Credentials,
  type IssuedAccount,
  pathsIn,
  readUsers,
  tlsOf,
  writeFolder,
} from "./credentials.ts";
import { type DeploymentFile, usersOf } from "./deployment-file.ts";
import { json, keepFile, keepOrCreateSeed, makePrivateFolder, readSecret, replaceFile } from "./files.ts";
import {
  accountClaims,
  encodeJwt,
  haveSameClaims,
  type IssuedJwt,
  type JwtClaims,
  type KeyedScope,
  operatorClaims,
  readJwt,
  renderCreds,
  userClaims,
} from "./jwt.ts";
import { operatorSeedIn, pushCredsIn, resolverIn } from "./push-accounts.ts";

/**
 * Writes the deployment as JWTs: an operator, an account for the bus and one for each store, users as `.creds`, and a folder from which nats-server
 * reads the accounts. The private keys of operator and accounts are in `keys/`; no server and no process needs them.
 */
export function writeJwt(folder: string, deployment: DeploymentFile, table: AccessTable): Credentials {
  const now = Math.floor(Date.now() / 1000);
  const { environment: env } = deployment;
  const paths = pathsIn(folder, deployment);
  const [keys, resolverDir] = [join(folder, "keys"), resolverIn(folder)];
  for (const path of [keys, resolverDir]) makePrivateFolder(path);
  const operator = keepOrCreateSeed(operatorSeedIn(folder), "operator");
  const accounts = keyedAccounts(env, table, keys);
  const users = usersOf(deployment, table);
  const planned = wantedUsers(env, users, table, folder).map((user) => planUser(user, accounts));
  const busUsers = planned.slice(0, users.length);

  const revoked = { ...deployment.revoked, ...revocationsOf(paths.usersFile, busUsers) };
  if (Object.keys(revoked).length > REVOKED_MAX)
    throw new ScbeError(
      "BAD_REQUEST",
      `more than ${REVOKED_MAX} revocations: create the deployment again in another folder`,
    );
  const file = { ...deployment, revoked };
  // Before any JWT is replaced: the next run could not find the former one any more.
  keepFile(paths.deploymentFile, json(file));
  for (const user of planned) if (!user.isFit) writeCreds(user, now);

  const jwts = accounts.map(({ isBus, signer, ...account }): IssuedAccount => {
    const claims = accountClaims({ ...account, signer: signer.publicKey, revoked: isBus ? revoked : {} });
    const path = join(resolverDir, `${account.nkey}.jwt`);
    return { name: account.name, nkey: account.nkey, ...keepJwt(path, claims, operator, now) };
  });
  const [systemAccount] = jwts;
  if (systemAccount === undefined) throw new RangeError("there is no system account");
  const claimsOfOperator = operatorClaims(busAccount(env), operator.publicKey, systemAccount.nkey);
  const { jwt: operatorJwt } = keepJwt(join(folder, "operator.jwt"), claimsOfOperator, operator, now);
  const { storeDir } = paths;
  keepFile(
    paths.configFile,
    renderJwtServerConfig({ operatorJwt, systemAccount, resolverDir, storeDir, ...tlsOf(file) }),
  );
  const nkeyAt = (index: number): string => planned[index]?.nkey ?? "";
  return writeFolder(paths, file, {
    users: users.map((user, index) => ({ ...user, nkey: nkeyAt(index) })),
    stores: storeUsers().map((user, index) => ({ ...user, nkey: nkeyAt(users.length + index) })),
    jwts,
  });
}

/** Revocations are kept for good, since a user's JWT does not expire, and one message to the server has all of them. */
const REVOKED_MAX = 16_384;

/** An account with its keys. */
interface KeyedAccount {
  readonly name: string;
  readonly nkey: string;
  readonly isBus: boolean;
  readonly jetstream: Account["jetstream"];
  readonly signer: NkeySeed;
  readonly scopes: readonly (KeyedScope & { readonly signer: NkeySeed })[];
}

/** The system's account is the first. The key that names an account signs no user: it may be kept elsewhere. */
function keyedAccounts(env: Environment, table: AccessTable, keys: string): KeyedAccount[] {
  const seed = (name: string): NkeySeed => keepOrCreateSeed(join(keys, `${name}.seed`), "account");
  const keyed = ({ name, jetstream }: Account, scopes: readonly Scope[]): KeyedAccount => ({
    ...{ name, jetstream, isBus: name === busAccount(env) },
    nkey: seed(name).publicKey,
    signer: seed(`${name}.signing`),
    scopes: scopes.map((scope) => {
      const signer = seed(`${name}.signing.${scope.name}`);
      return { ...scope, signer, nkey: signer.publicKey };
    }),
  });
  return [
    keyed({ name: systemAccountOf(env) }, []),
    ...accountsOf(env).map((account) => keyed(account, account.store === undefined ? busScopes(table) : [])),
  ];
}

function systemAccountOf(env: Environment): string {
  return `${busAccount(env)}_SYSTEM`;
}

/** A user that needs a credentials file. */
interface WantedUser {
  readonly name: string;
  readonly account: string;
  readonly grant: UserGrant;
  readonly path: string;
}

/** The users of the bus, then those of the stores, then the system's. */
function wantedUsers(
  env: Environment,
  users: readonly UnkeyedUser[],
  table: AccessTable,
  folder: string,
): WantedUser[] {
  const pathOf = (name: string): string => join(folder, `${name}.creds`);
  return [
    ...users.map((user) => ({
      ...{ name: user.name, account: busAccount(env), path: pathOf(user.name) },
      grant: grantOf(user, table),
    })),
    ...storeUsers().map((user) => ({
      ...{ name: user.name, account: storeAccount(env, user.account), path: pathOf(user.name) },
      grant: { permissions: storePermissionsOf(user) },
    })),
    {
      ...{ name: PUSH_USER.name, account: systemAccountOf(env), path: pushCredsIn(folder) },
      grant: { permissions: pushPermissions() },
    },
  ];
}

/** A wanted user with its key. */
interface PlannedUser {
  readonly claims: JwtClaims;
  readonly nkey: string;
  readonly path: string;
  readonly seed: string;
  readonly signer: NkeySeed;
  /** The JWT in its file, if there is one. */
  readonly former: IssuedJwt | undefined;
  /** The file already grants what it should. */
  readonly isFit: boolean;
}

function planUser(
  { name, path, account: inAccount, grant }: WantedUser,
  accounts: readonly KeyedAccount[],
): PlannedUser {
  const account = accounts.find((candidate) => candidate.name === inAccount);
  const signer =
    "scope" in grant ? account?.scopes.find((scope) => scope.name === grant.scope)?.signer : account?.signer;
  if (account === undefined || signer === undefined)
    throw new RangeError(`${inAccount} has no key for ${name}`);
  const { seed, nkey, former } = keepOrCreateUser(path);
  const claims = userClaims({ name, nkey, grant, account: account.nkey });
  const isFit =
    former !== undefined &&
    former.iss === signer.publicKey &&
    former.name === name &&
    JSON.stringify(former.nats) === JSON.stringify({ ...claims.nats, version: former.nats.version });
  return { claims, nkey, path, seed, signer, former, isFit };
}

/** @throws ScbeError FORBIDDEN if other users may read the file, or it holds no credentials */
function keepOrCreateUser(path: string): { seed: string; nkey: string; former: IssuedJwt | undefined } {
  const parts = existsSync(path) ? (partsOfCreds(readSecret(path)) ?? { jwt: "", seed: "" }) : undefined;
  const seed = parts?.seed ?? createSeed("user");
  const key = importSeed(seed);
  const former = parts && readJwt(parts.jwt);
  if (key?.kind !== "user" || (parts !== undefined && former?.sub !== key.publicKey))
    throw new ScbeError("FORBIDDEN", `${path} holds no valid credentials`);
  return { seed, nkey: key.publicKey, former };
}

/** The end of the year 9999: the key is never used again. */
const FOR_GOOD = 253_402_300_799;

/** Revokes, for users of the bus, all JWTs of former keys, and the JWTs from before a change of permissions. */
function revocationsOf(usersFile: string, users: readonly PlannedUser[]): Record<string, number> {
  const current = new Set(users.map(({ nkey }) => nkey));
  const replaced = readUsers(usersFile).filter(({ nkey }) => !current.has(nkey));
  return Object.fromEntries([
    ...replaced.map(({ nkey }) => [nkey, FOR_GOOD] as const),
    ...users.flatMap(({ nkey, isFit, former }) =>
      isFit || former === undefined ? [] : [[nkey, former.iat] as const],
    ),
  ]);
}

/** Issued in a later second than the former JWT: a revocation covers the whole of its second. */
function writeCreds({ path, claims, seed, signer, former }: PlannedUser, now: number): void {
  const issuedAt = Math.max(now, former === undefined ? 0 : former.iat + 1);
  replaceFile(path, renderCreds(encodeJwt(claims, signer, issuedAt), seed));
}

/** Keeps the JWT in a file if it has these claims; else replaces it. */
function keepJwt(
  path: string,
  claims: JwtClaims,
  issuer: NkeySeed,
  now: number,
): { jwt: string; isNew: boolean } {
  const former = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  // A server of a cluster that has two of them uses the later one.
  const issuedAt = Math.max(now, 1 + ((former && readJwt(former)?.iat) || 0));
  const jwt = encodeJwt(claims, issuer, issuedAt);
  if (former !== undefined && haveSameClaims(former, jwt)) return { jwt: former, isNew: false };
  replaceFile(path, jwt);
  return { jwt, isNew: true };
}
