import { join } from "node:path";
import { findServer } from "./find-server.ts";
import { freePort } from "./free-port.ts";
import { type RunningProcess, startProcess } from "./start-process.ts";
import { createTempDir } from "./temp-dir.ts";

export interface RedisOptions {
  /** Keeps data across a restart (append-only file, every write on the disk at once). */
  readonly persistent?: boolean;
  readonly replicaOf?: { readonly port: number };
  /** More of the server's own arguments, e.g. `["--maxmemory", "1mb"]`. */
  readonly args?: readonly string[];
}

/** A real redis-server on a port of its own on 127.0.0.1 and a socket. */
export interface RedisServer extends AsyncDisposable {
  /** `redis://127.0.0.1:port` */
  readonly url: string;
  readonly port: number;
  /** Path of its Unix socket. */
  readonly socket: string;
  readonly pid: number;
  /** What the server has logged since it was last started. */
  readonly output: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port; kills it first where it still runs. Without `persistent` it forgets all. */
  restart(): Promise<void>;
}

/** Starts one; its temporary folder goes with it. @throws Error with the server's output when it does not start */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const dir = createTempDir();
  try {
    const started = await startSomewhere(dir.path, options);
    const { port } = started;
    let { server } = started;
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      socket: socketIn(dir.path),
      get pid() {
        return server.pid;
      },
      get output() {
        return server.stdout;
      },
      kill: () => server.kill(),
      pause: () => server.pause(),
      resume: () => server.resume(),
      restart: async () => {
        await server.kill();
        server = await startOn(dir.path, port, options);
      },
      [Symbol.asyncDispose]: async () => {
        await server.kill();
        dir[Symbol.dispose]();
      },
    };
  } catch (error) {
    dir[Symbol.dispose]();
    throw error;
  }
}

const TRIES = 5;

/** Redis cannot pick a port by itself, and the one we pick can be taken before it listens. */
async function startSomewhere(
  dir: string,
  options: RedisOptions,
): Promise<{ server: RunningProcess; port: number }> {
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    try {
      return { server: await startOn(dir, port, options), port };
    } catch (error) {
      if (tries === TRIES || !String(error).includes("in use")) throw error;
    }
  }
}

async function startOn(dir: string, port: number, options: RedisOptions): Promise<RunningProcess> {
  const args = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--unixsocket",
    socketIn(dir),
    "--dir",
    dir,
    "--save",
    "",
  ];
  if (options.persistent === true) args.push("--appendonly", "yes", "--appendfsync", "always");
  if (options.replicaOf !== undefined) args.push("--replicaof", "127.0.0.1", String(options.replicaOf.port));
  const server = startProcess(findServer("redis-server"), [...args, ...(options.args ?? [])]);
  try {
    await server.output(/Ready to accept connections/);
    return server;
  } catch (error) {
    await server.kill();
    throw error;
  }
}

function socketIn(dir: string): string {
  return join(dir, "redis.sock");
}
