export * from "./server-ports.ts";
