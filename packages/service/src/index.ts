export * from "./logger.ts";
export * from "./ops-server.ts";
export * from "./process.ts";
export * from "./run-service.ts";
export * from "./start-tracing.ts";
export * from "./users-file.ts";
