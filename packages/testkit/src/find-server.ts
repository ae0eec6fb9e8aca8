import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const SERVERS = {
  "nats-server": { variable: "SCBE_NATS_SERVER", install: "apt-get install nats-server" },
  "redis-server": { variable: "SCBE_REDIS_SERVER", install: "apt-get install redis-server" },
} as const;

export type ServerName = keyof typeof SERVERS;

/** Where packages put servers that a user's PATH need not have. */
const MORE_FOLDERS = ["/usr/sbin", "/usr/local/bin"];

/**
 * The path of a real server: what its variable names, else the first one on the PATH or where packages put it.
 * @throws Error that says what to install
 */
export function findServer(name: ServerName, env: NodeJS.ProcessEnv = process.env): string {
  const { variable, install } = SERVERS[name];
  const given = env[variable];
  if (given !== undefined && given !== "") {
    if (isExecutable(given)) return given;
    throw new Error(`${variable} names ${given}, which cannot be run`);
  }
  const found = findExecutable(name, env);
  if (found !== undefined) return found;
  throw new Error(`${name} was not found; install it (${install}) or set ${variable} to its path`);
}

/** The first executable of that name on the PATH, or in the folders that packages use. */
export function findExecutable(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = [...(env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""), ...MORE_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** True when this process may run it. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
