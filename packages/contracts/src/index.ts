export * from "./access/access-table.ts";
export * from "./access/permissions.ts";
export * from "./access/render-nsc.ts";
export * from "./access/render-server-config.ts";
export * from "./access/stores.ts";
export {
  type AccessUser,
  checkScope,
  checkUsers,
  type Deployment,
  deploymentUsers,
  ListedUser,
  listUsers,
  type UnkeyedUser,
  USERS_MAX,
  UserList,
  type UserScope,
} from "./access/users.ts";
export * from "./control.ts";
export * from "./epoch.ts";
export * from "./errors.ts";
export * from "./headers.ts";
export * from "./keyring.ts";
export * from "./message.ts";
export * from "./metrics/label-sets.ts";
export * from "./metrics/metric-row.ts";
export * from "./metrics/table.ts";
export * from "./names.ts";
export * from "./nkey.ts";
export {
  type Common,
  type Content,
  type Names,
  PARAMETERS,
  Parameters,
  readTimeoutMs,
} from "./parameters.ts";
export * from "./reads.ts";
export * from "./refusals.ts";
export * from "./replay.ts";
export * from "./subjects.ts";
export * from "./trust.ts";
export * from "./trust-events.ts";
