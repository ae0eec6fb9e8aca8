import { findTool, toolAdvice } from "./find-tool.ts";

export type ServerName = "nats-server" | "redis-server" | "prometheus" | "alertmanager" | "jaeger";

/**
 * The path of a real server, found as {@link findTool} does.
 * @throws Error that says what to install
 */
export function findServer(name: ServerName, env: NodeJS.ProcessEnv = process.env): string {
  const found = findTool(name, env);
  if (found !== undefined) return found;
  throw new Error(toolAdvice(name));
}
