import { join } from "node:path";
import { findServer } from "./find-server.ts";
import { type StartedServer, startOnPorts } from "./start-on-ports.ts";
import { createTempDir } from "./temp-dir.ts";

export interface RedisOptions {
  /** Keeps data across a restart (append-only file, every write on the disk at once). */
  readonly persistent?: boolean;
  readonly replicaOf?: { readonly port: number };
  /** Files of the server's certificate and key: it is reached by TLS, and by nothing else. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  /** More of the server's own arguments, e.g. `["--maxmemory", "1mb"]`. */
  readonly args?: readonly string[];
}

/** A real redis-server on a port of its own on 127.0.0.1 and a socket. */
export interface RedisServer extends AsyncDisposable {
  /** `redis://127.0.0.1:port`, or `rediss://` with TLS */
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
    const [port = 0] = started.ports;
    let { server } = started;
    return {
      url: `${options.tls === undefined ? "redis" : "rediss"}://127.0.0.1:${port}`,
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
        ({ server } = await startSomewhere(dir.path, options, () => port));
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

/** Redis cannot pick a port by itself. */
function startSomewhere(
  dir: string,
  options: RedisOptions,
  candidate?: () => number,
): Promise<StartedServer> {
  return startOnPorts({
    program: findServer("redis-server"),
    ports: 1,
    arguments: ([port]) => argumentsFor(dir, port ?? 0, options),
    isReady: (_ports, { stdout }) => stdout.includes("Ready to accept connections"),
    ...(candidate && { candidate }),
  });
}

function argumentsFor(dir: string, port: number, options: RedisOptions): readonly string[] {
  const { persistent = false, replicaOf, tls, args = [] } = options;
  return [
    ...(tls === undefined ? ["--port", String(port)] : tlsArguments(port, tls)),
    ...["--bind", "127.0.0.1", "--unixsocket", socketIn(dir), "--dir", dir, "--save", ""],
    ...(persistent ? ["--appendonly", "yes", "--appendfsync", "always"] : []),
    ...(replicaOf === undefined ? [] : ["--replicaof", "127.0.0.1", String(replicaOf.port)]),
    ...args,
  ];
}

function tlsArguments(port: number, { cert, key, ca }: NonNullable<RedisOptions["tls"]>): string[] {
  return [
    ...["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no"],
    ...["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca],
  ];
}

function socketIn(dir: string): string {
  return join(dir, "redis.sock");
}
