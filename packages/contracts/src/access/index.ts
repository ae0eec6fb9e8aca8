export * from "./access-table.ts";
export { type AccessUser, checkUsers, type UserScope } from "./access-user.ts";
export * from "./askers-of.ts";
export * from "./deployment-users.ts";
export * from "./permissions-of.ts";
export * from "./render-server-config.ts";
export * from "./stores.ts";
