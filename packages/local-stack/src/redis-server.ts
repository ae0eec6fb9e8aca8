import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { findServer } from "./find-tool.ts";
import { listensOn, Port } from "./ports.ts";
import { type Server, type ServerOptions, startProgram } from "./program.ts";
import { createTempDir } from "./temp-dir.ts";

export interface RedisServerOptions extends ServerOptions {
  /** Holds its configuration and its data. */
  readonly folder: string;
  /** Other users of this machine can reach the port, too. */
  readonly password?: string;
  /** With it, the server is reached by TLS only. */
  readonly tls?: RedisTls;
  /** More lines of its configuration. Without any it writes nothing to the disk. */
  readonly settings?: readonly string[];
  readonly args?: readonly string[];
}

/** Paths of PEM files. */
export interface RedisTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** redis-server on a port of 127.0.0.1. It cannot pick a port. */
export function redisServer(options: RedisServerOptions): Server {
  const { folder, password, tls, args = [], ...command } = options;
  const port = new Port();
  const configFile = join(folder, "redis.conf");
  writeFileSync(configFile, configOf(options), { mode: 0o600 });
  const scheme = tls === undefined ? "redis" : "rediss";
  return {
    program: {
      name: "redis-server",
      command: () => {
        const number = String(port.try());
        const where = tls === undefined ? ["--port", number] : ["--port", "0", "--tls-port", number];
        return { ...command, args: [configFile, ...where, ...args] };
      },
      isReady: async (pid) => {
        if (!listensOn(pid, port.number) || (await isLoading(port.number, tls))) return false;
        port.keep(port.number);
        return true;
      },
    },
    get url() {
      return `${scheme}://${password === undefined ? "" : `:${password}@`}${HOST}:${port.number}`;
    },
  };
}

const HOST = "127.0.0.1";

function configOf({ folder, password, tls, settings = [] }: RedisServerOptions): string {
  return [
    `bind ${HOST}`,
    `dir ${JSON.stringify(folder)}`,
    'save ""',
    ...(password === undefined ? [] : [`requirepass ${password}`]),
    ...(tls === undefined
      ? []
      : [
          "tls-auth-clients no",
          `tls-cert-file ${JSON.stringify(tls.cert)}`,
          `tls-key-file ${JSON.stringify(tls.key)}`,
          `tls-ca-cert-file ${JSON.stringify(tls.ca)}`,
        ]),
    ...settings,
    "",
  ].join("\n");
}

const PING_MS_MAX = 2000;

/** It listens before it has read its data from the disk, and refuses commands until then. @throws Error when it does not answer */
async function isLoading(port: number, tls: RedisTls | undefined): Promise<boolean> {
  const socket: Socket =
    tls === undefined ? connectTcp(port, HOST) : connectTls({ host: HOST, port, rejectUnauthorized: false });
  try {
    socket.write("PING\r\n");
    const [answer] = await once(socket, "data", { signal: AbortSignal.timeout(PING_MS_MAX) });
    return String(answer).startsWith("-LOADING");
  } finally {
    socket.destroy();
  }
}

export interface RedisOptions {
  /** Keeps data across a restart (append-only file, every write on the disk at once). */
  readonly persistent?: boolean;
  readonly replicaOf?: { readonly port: number };
  readonly tls?: RedisTls;
  /** More arguments of the server, e.g. `["--maxmemory", "1mb"]`. */
  readonly args?: readonly string[];
}

/** A real redis-server on a port and a socket. */
export interface RedisServer extends AsyncDisposable {
  /** `redis://127.0.0.1:port`, or `rediss://` with TLS */
  readonly url: string;
  readonly port: number;
  /** Path of its Unix socket. */
  readonly socket: string;
  readonly pid: number;
  /** The log since the last start. */
  readonly output: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port; kills it first if it still runs. Without `persistent` its data is lost. */
  restart(): Promise<void>;
}

/** Starts one for a test, with a temporary folder. @throws Error with the server's output when it does not start */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const { persistent = false, replicaOf, tls, args } = options;
  const dir = createTempDir();
  const socket = join(dir.path, "redis.sock");
  try {
    const definition = redisServer({
      file: findServer("redis-server"),
      env: process.env,
      folder: dir.path,
      settings: [
        `unixsocket ${JSON.stringify(socket)}`,
        ...(persistent ? ["appendonly yes", "appendfsync always"] : []),
        ...(replicaOf === undefined ? [] : [`replicaof ${HOST} ${replicaOf.port}`]),
      ],
      ...(tls && { tls }),
      ...(args && { args }),
    });
    let server = await startProgram(definition.program);
    return {
      url: definition.url,
      port: Number(new URL(definition.url).port),
      socket,
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
        server = await startProgram(definition.program);
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

/** A real sentinel that watches one primary, under the name `scbe`. */
export interface Sentinel extends AsyncDisposable {
  readonly port: number;
  /** Its log. */
  readonly output: string;
  /** Resolves when it has found the replica of its primary. */
  knowsReplica(): Promise<void>;
}

/** Starts one for a test. @throws Error with its output when it does not start */
export async function startSentinel(primaryPort: number): Promise<Sentinel> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(createTempDir());
  const configFile = join(dir.path, "sentinel.conf");
  const port = new Port();
  const settings = [
    `sentinel monitor scbe ${HOST} ${primaryPort} 1`,
    "sentinel down-after-milliseconds scbe 500",
    "sentinel failover-timeout scbe 3000",
  ];
  const program = {
    name: "redis-sentinel",
    command: () => {
      const lines = [
        `port ${port.try()}`,
        `bind ${HOST}`,
        `dir ${JSON.stringify(dir.path)}`,
        ...settings,
        "",
      ];
      writeFileSync(configFile, lines.join("\n"));
      return { file: findServer("redis-server"), args: [configFile, "--sentinel"], env: process.env };
    },
    isReady: async (pid: number) => listensOn(pid, port.number),
  };
  const server = stack.use(await startProgram(program));
  const held = stack.move();
  return {
    port: port.number,
    get output() {
      return server.stdout;
    },
    knowsReplica: async () => {
      await server.output(/\+slave slave/, { timeoutMs: 20_000 });
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
