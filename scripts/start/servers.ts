import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { listensOn, portFromFile } from "@scbe/local-stack";
import type { LocalFolder } from "./local-folder.ts";
import { accepts, Port } from "./port.ts";
import type { Program } from "./supervised.ts";

/** A real server of somebody else's making, as a program, and where it is once it is ready. */
export interface Server {
  readonly program: Program;
  readonly url: string;
}

/** nats-server with JetStream, and the permissions of the access table. It picks its port, and writes it into a file. */
export function natsServer(file: string, configFile: string, folder: LocalFolder, env: Environment): Server {
  const port = new Port();
  const name = "nats-server";
  const command = async () => {
    const where = ["-a", HOST, "-p", String(port.ask() || ANY_PORT), "--ports_file_dir", folder.ports];
    const args = ["-c", configFile, ...where];
    return { file, args, env, ipc: false, logFile: folder.logFile(name) };
  };
  const isReady = async (pid: number): Promise<boolean> => {
    const told = portFromFile(folder.ports, pid);
    if (told === undefined || !(await accepts(told))) return false;
    port.keep(told);
    return true;
  };
  return {
    program: { name, command, isReady },
    get url() {
      return `nats://${HOST}:${port.number}`;
    },
  };
}

/** nats-server's word for a free port that it picks itself. */
const ANY_PORT = -1;

/** redis-server as the replay guard wants it. It keeps nothing on the disk: the replay epoch covers that it forgets. */
export function redisServer(file: string, folder: LocalFolder, env: Environment): Server {
  const port = new Port();
  const name = "redis-server";
  const password = randomBytes(24).toString("base64url");
  const configFile = join(folder.redisStore, "redis.conf");
  writeFileSync(configFile, redisConfig(folder.redisStore, password), { mode: 0o600 });
  const command = async () => {
    const args = [configFile, "--port", String(port.try())];
    return { file, args, env, ipc: false, logFile: folder.logFile(name) };
  };
  const isReady = async (pid: number): Promise<boolean> => {
    if (!listensOn(pid, port.number) || !(await accepts(port.number))) return false;
    port.keep(port.number);
    return true;
  };
  return {
    program: { name, command, isReady },
    get url() {
      return `redis://:${password}@${HOST}:${port.number}`;
    },
  };
}

type Environment = Readonly<Record<string, string>>;
const HOST = "127.0.0.1";

/** Other users of this machine can reach the port, too. */
function redisConfig(dir: string, password: string): string {
  return [
    `bind ${HOST}`,
    `dir ${JSON.stringify(dir)}`,
    `requirepass ${password}`,
    'save ""',
    "appendonly no",
    "maxmemory-policy noeviction",
    "repl-backlog-ttl 0",
    "",
  ].join("\n");
}
