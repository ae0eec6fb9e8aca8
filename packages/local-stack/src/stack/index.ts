export * from "./config.ts";
export * from "./local-folder.ts";
export * from "./monitoring.ts";
export * from "./stack.ts";
