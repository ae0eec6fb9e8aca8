export * from "./errors.ts";
export * from "./headers.ts";
export * from "./keyring.ts";
export * from "./names.ts";
export * from "./replay.ts";
export * from "./security.ts";
export * from "./service-errors.ts";
export * from "./subjects.ts";
