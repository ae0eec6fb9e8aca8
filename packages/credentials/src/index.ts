export * from "./change-deployment.ts";
export * from "./credentials.ts";
export * from "./deployment-file.ts";
export * from "./issue-credentials.ts";
export * from "./push-accounts.ts";
export * from "./write-jwt.ts";
