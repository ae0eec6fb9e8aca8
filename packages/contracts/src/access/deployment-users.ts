import { ACCESS, type AccessTable } from "./access-table.ts";
import { type AccessUser, checkScope } from "./access-user.ts";

/** A user before it has an nkey. */
export type UnkeyedUser = Omit<AccessUser, "nkey">;

/** Who takes part in a deployment. */
export interface Deployment {
  readonly providers: readonly string[];
  /** Those that are served: no user may have another one. Unless told, it is not known which they are. */
  readonly intents?: readonly string[];
  /** Names of orchestrators, each for all providers; `["orchestrator"]` unless told. */
  readonly orchestrators?: readonly string[];
  /** Providers that have a gateway, `gateway-<provider>`; all of them unless told. */
  readonly gateways?: readonly string[];
  /** More users, or ones with fewer providers or intents. */
  readonly users?: readonly UnkeyedUser[];
}

/**
 * The users of a deployment: one for each service, orchestrator and gateway, one for the operator.
 * @throws ScbeError BAD_REQUEST when one of them does not fit its role
 */
export function deploymentUsers(deployment: Deployment, table: AccessTable = ACCESS): UnkeyedUser[] {
  const { providers, orchestrators = ["orchestrator"], gateways = providers, users = [] } = deployment;
  const all: UnkeyedUser[] = [
    { name: "keyring", role: "keyring", providers },
    { name: "envelope", role: "envelope", providers },
    { name: "replay-guard", role: "replay-guard", providers },
    { name: "rollback-controller", role: "rollback-controller", providers },
    { name: "trust-scorer", role: "trust-scorer", providers },
    ...orchestrators.map((name) => ({ name, role: "orchestrator" as const, providers })),
    ...gateways.map((provider) => ({
      name: `gateway-${provider}`,
      role: "gateway" as const,
      providers: [provider],
    })),
    { name: "operator", role: "operator", providers: [] },
    ...users,
  ];
  for (const user of all) checkScope(user.role, user, table);
  return all;
}
