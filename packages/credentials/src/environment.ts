import { join } from "node:path";
import { ACCESS, type AccessUser, ScbeError } from "@scbe/contracts";
import type { DeploymentFile } from "./deployment-file.ts";

export interface EnvironmentOptions
  extends Pick<DeploymentFile, "accounts" | "environment" | "fallback" | "base"> {
  /** The folder of the credentials. */
  readonly folder: string;
  readonly usersFile: string;
  readonly keyringPublicKey: string;
  readonly controlPublicKey: string;
  readonly controlSeedFile: string;
}

/** The ending of the file that a user connects with, by rendering. */
export const SECRET_FILES = { nkeys: "seed", jwt: "creds", nsc: "creds" } as const;

const CONNECTS_BY = { seed: "NKEY_SEED_FILE", creds: "CREDS" } as const;
const KNOWS_KEYRING = ["envelope", "rollback-controller", "orchestrator", "gateway"];
const KNOWS_CONTROL = ["envelope", "orchestrator", "gateway", "operator"];
const KNOWS_USERS = ["keyring", "trust-scorer", "rollback-controller"];
const SERVES_INTENTS = ["keyring", "envelope", "orchestrator", "gateway"];
const KNOWS_FALLBACK = ["orchestrator", "gateway"];

/** The variables that identify a user: on the bus and, for a service with state, in its store's account. */
export function identityVariables(
  { name, role }: Pick<AccessUser, "name" | "role">,
  { accounts, folder }: Pick<EnvironmentOptions, "accounts" | "folder">,
): Record<string, string> {
  const file = SECRET_FILES[accounts];
  const { keeps } = ACCESS[role];
  return {
    [`NATS_${CONNECTS_BY[file]}`]: join(folder, `${name}.${file}`),
    ...(keeps && { [`NATS_STORE_${CONNECTS_BY[file]}`]: join(folder, `${keeps}.store.${file}`) }),
  };
}

/**
 * The environment variables of a user's process that follow from the issued credentials: files, public keys and the user's limits, and no
 * secret.
 */
export function environmentOf(user: AccessUser, options: EnvironmentOptions): Record<string, string> {
  const { role, providers } = user;
  const intents = user.intents ?? (SERVES_INTENTS.includes(role) ? options.base.intents : undefined);
  return {
    SCBE_ENVIRONMENT: options.environment,
    ...(providers.length > 0 && { SCBE_PROVIDERS: providers.join(",") }),
    ...(intents && { SCBE_INTENTS: intents.join(",") }),
    ...identityVariables(user, options),
    ...(KNOWS_KEYRING.includes(role) && { SCBE_KEYRING_PUBLIC_KEY: options.keyringPublicKey }),
    ...(KNOWS_CONTROL.includes(role) && { SCBE_CONTROL_PUBLIC_KEY: options.controlPublicKey }),
    ...(KNOWS_USERS.includes(role) && { SCBE_USERS_FILE: options.usersFile }),
    ...(role === "rollback-controller" && { SCBE_CONTROL_SEED_FILE: options.controlSeedFile }),
    ...(options.fallback && KNOWS_FALLBACK.includes(role) && { SCBE_FALLBACK: "allow" }),
  };
}

/**
 * The variables in a form that `node --env-file`, systemd and shells read alike.
 * @throws ScbeError BAD_REQUEST for a value that they would read differently
 */
export function renderEnvironment(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${environmentWord(value)}\n`)
    .join("");
}

function environmentWord(value: string): string {
  if (/^[\w./,:@+-]*$/.test(value)) return value;
  if (/^[\x20-\x7e]+$/.test(value) && !/["$`\\]/.test(value)) return `"${value}"`;
  throw new ScbeError("BAD_REQUEST", `${JSON.stringify(value)} cannot be written to a file of variables`);
}
