import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { portFromFile } from "@scbe/local-stack";
import { eventually } from "./eventually.ts";
import { findServer } from "./find-server.ts";
import { type RunningProcess, startProcess } from "./start-process.ts";
import { createTempDir } from "./temp-dir.ts";

export interface NatsOptions {
  /** Text of the server's configuration, without port, address and store. */
  readonly config?: string;
  /** Path of a configuration file, in place of `config`. */
  readonly configFile?: string;
  /** Bytes of one message; 8 MiB unless told. Not with `configFile`. */
  readonly maxPayload?: number;
  /** Another nats-server than the one that {@link findServer} finds; see {@link natsVersions}. */
  readonly program?: string | undefined;
  /** What `$VARIABLE`s of its configuration stand for. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real nats-server with JetStream in file storage, on a port of its own on 127.0.0.1. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** JetStream's files: what a backup of the server holds. */
  readonly storeDir: string;
  /** What the server has logged since it was last started. */
  readonly output: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port and store; kills it first where it still runs. */
  restart(): Promise<void>;
  /** SIGHUP: reads its configuration again; resolves when it has. What connects in between may be left without an answer. */
  reload(): Promise<void>;
}

/** Starts one; its temporary folder goes with it. @throws Error with the server's output when it does not start */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const dir = createTempDir();
  const configFile = options.configFile ?? writeConfig(dir.path, options);
  const program = options.program ?? findServer("nats-server");
  const start = (port: number): RunningProcess =>
    startOn({ program, dir: dir.path, configFile, port, env: options.env ?? {} });
  let server = start(-1);
  try {
    const port = await portOf(server, dir.path);
    return {
      url: `nats://127.0.0.1:${port}`,
      port,
      storeDir: storeOf(configFile),
      get pid() {
        return server.pid;
      },
      get output() {
        return server.stderr;
      },
      kill: () => server.kill(),
      pause: () => server.pause(),
      resume: () => server.resume(),
      reload: async () => {
        const before = reloads(server);
        server.signal("SIGHUP");
        await eventually(() => reloads(server) > before, { timeoutMs: 10_000 });
      },
      restart: async () => {
        await server.kill();
        server = start(port);
        await portOf(server, dir.path);
      },
      [Symbol.asyncDispose]: async () => {
        await server.kill();
        dir[Symbol.dispose]();
      },
    };
  } catch (error) {
    await server.kill();
    dir[Symbol.dispose]();
    throw error;
  }
}

function reloads({ stderr }: RunningProcess): number {
  return stderr.split("Reloaded server configuration").length;
}

const MAX_PAYLOAD = 8 * 1024 * 1024;

function writeConfig(dir: string, { config = "", maxPayload = MAX_PAYLOAD }: NatsOptions): string {
  const file = join(dir, "nats.conf");
  const jetstream = /\bjetstream\b/.test(config)
    ? ""
    : `jetstream { store_dir: ${JSON.stringify(storeIn(dir))} }`;
  writeFileSync(file, `max_payload: ${maxPayload}\n${jetstream}\n${config}\n`, { mode: 0o600 });
  return file;
}

interface Start {
  readonly program: string;
  readonly dir: string;
  readonly configFile: string;
  /** -1: any free one. */
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
}

function startOn({ program, dir, configFile, port, env }: Start): RunningProcess {
  const where = ["-a", "127.0.0.1", "-p", String(port), "--ports_file_dir", dir];
  return startProcess(program, ["-c", configFile, ...where], { env });
}

/** Where the configuration has JetStream's files. */
function storeOf(configFile: string): string {
  const [, quoted] = /store_dir: ("(?:[^"\\]|\\.)*")/.exec(readFileSync(configFile, "utf8")) ?? [];
  return quoted === undefined ? "" : (JSON.parse(quoted) as string);
}

function storeIn(dir: string): string {
  return join(dir, "jetstream");
}

/** The server writes the ports it listens on into a file that is named after its process. */
async function portOf(server: RunningProcess, dir: string): Promise<number> {
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });
  const port = await eventually(() => (ended ? "ended" : portFromFile(dir, server.pid)), {
    timeoutMs: 10_000,
  });
  if (typeof port === "number") return port;
  throw new Error(`nats-server did not start:\n${server.stderr}`);
}
