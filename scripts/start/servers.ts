import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LocalFolder } from "./local-folder.ts";
import { accepts, Port } from "./port.ts";
import type { Program } from "./supervised.ts";

/** A real server of somebody else's making, as a program, and where it is once it is ready. */
export interface Server {
  readonly program: Program;
  readonly url: string;
}

/** nats-server with JetStream, and the permissions of the access table. */
export function natsServer(file: string, configFile: string, folder: LocalFolder, env: Environment): Server {
  const port = new Port();
  const program = native("nats-server", port, folder, (number) => {
    const where = ["-a", HOST, "-p", String(number), "-js", "-sd", folder.natsStore];
    return { file, args: ["-c", configFile, ...where], env };
  });
  return {
    program,
    get url() {
      return `nats://${HOST}:${port.number}`;
    },
  };
}

/** redis-server as the replay guard wants it. It keeps nothing on the disk: the replay epoch covers that it forgets. */
export function redisServer(file: string, folder: LocalFolder, env: Environment): Server {
  const port = new Port();
  const password = randomBytes(24).toString("base64url");
  const configFile = join(folder.redisStore, "redis.conf");
  writeFileSync(configFile, redisConfig(folder.redisStore, password), { mode: 0o600 });
  const program = native("redis-server", port, folder, (number) => {
    return { file, args: [configFile, "--port", String(number)], env };
  });
  return {
    program,
    get url() {
      return `redis://:${password}@${HOST}:${port.number}`;
    },
  };
}

type Environment = Readonly<Record<string, string>>;
const HOST = "127.0.0.1";

function native(
  name: string,
  port: Port,
  folder: LocalFolder,
  command: (port: number) => { file: string; args: string[]; env: Environment },
): Program {
  return {
    name,
    command: async () => ({ ...command(await port.take()), ipc: false, logFile: folder.logFile(name) }),
    isReady: () => accepts(port.number),
    onReady: () => port.keep(),
  };
}

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
