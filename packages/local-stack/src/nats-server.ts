import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { findServer } from "./find-tool.ts";
import { accepts, Port, portFromFile } from "./ports.ts";
import type { RunningProcess } from "./process.ts";
import { type Server, type ServerOptions, startProgram } from "./program.ts";
import { createTempDir } from "./temp-dir.ts";

export interface NatsServerOptions extends ServerOptions {
  readonly configFile: string;
  /** The folder in which the server writes its ports. */
  readonly portsFolder: string;
}

/** nats-server as its configuration file describes it, on a port of 127.0.0.1 that it picks itself. */
export function natsServer({ configFile, portsFolder, ...options }: NatsServerOptions): Server {
  const port = new Port();
  return {
    program: {
      name: "nats-server",
      command: () => {
        const where = ["-a", HOST, "-p", String(port.ask() || ANY_PORT), "--ports_file_dir", portsFolder];
        return { ...options, args: ["-c", configFile, ...where] };
      },
      isReady: async (pid) => {
        const number = portFromFile(portsFolder, pid);
        if (number === undefined || !(await accepts(number))) return false;
        port.keep(number);
        return true;
      },
    },
    get url() {
      return `nats://${HOST}:${port.number}`;
    },
  };
}

const HOST = "127.0.0.1";
/** nats-server's notation for a free port that it picks. */
const ANY_PORT = -1;

export interface NatsOptions {
  /** Text of the server's configuration, without port, address and store. */
  readonly config?: string;
  /** Path of a configuration file, in place of `config`. */
  readonly configFile?: string;
  /** Bytes of one message; default 8 MiB. Not with `configFile`. */
  readonly maxPayload?: number;
  /** A nats-server other than the one that {@link findServer} finds; see {@link natsVersions}. */
  readonly program?: string | undefined;
  /** The values of `$VARIABLE`s in its configuration. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real nats-server with JetStream in file storage. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** JetStream's files: what a backup of the server holds. */
  readonly storeDir: string;
  /** The log since the last start. */
  readonly output: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port and store; kills it first if it still runs. */
  restart(): Promise<void>;
  /** SIGHUP: resolves when it has read its configuration again. A client that connects in between may get no answer. */
  reload(): Promise<void>;
}

/** Starts one for a test, with a temporary folder. @throws Error with the server's output when it does not start */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const dir = createTempDir();
  try {
    const configFile = options.configFile ?? writeConfig(dir.path, options);
    const definition = natsServer({
      file: options.program ?? findServer("nats-server"),
      configFile,
      portsFolder: dir.path,
      env: { ...process.env, ...options.env },
    });
    let server = await startProgram(definition.program);
    return {
      url: definition.url,
      port: Number(new URL(definition.url).port),
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

const MAX_PAYLOAD = 8 * 1024 * 1024;

function writeConfig(dir: string, { config = "", maxPayload = MAX_PAYLOAD }: NatsOptions): string {
  const file = join(dir, "nats.conf");
  const jetstream = /\bjetstream\b/.test(config)
    ? ""
    : `jetstream { store_dir: ${JSON.stringify(join(dir, "jetstream"))} }`;
  writeFileSync(file, `max_payload: ${maxPayload}\n${jetstream}\n${config}\n`, { mode: 0o600 });
  return file;
}

/** The folder of JetStream's files, from the configuration. */
function storeOf(configFile: string): string {
  const [, quoted] = /store_dir: ("(?:[^"\\]|\\.)*")/.exec(readFileSync(configFile, "utf8")) ?? [];
  return quoted === undefined ? "" : (JSON.parse(quoted) as string);
}

function reloads({ stderr }: RunningProcess): number {
  return stderr.split("Reloaded server configuration").length;
}
