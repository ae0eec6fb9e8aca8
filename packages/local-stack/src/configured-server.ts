import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { listensOn, type Port } from "./ports.ts";
import { isOk, type Server, type ServerOptions } from "./program.ts";

/** A file that a configuration names: its path relative to the configuration, and its text. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface ConfiguredServerOptions extends ServerOptions {
  readonly name: string;
  /** Holds its configuration and its data. */
  readonly folder: string;
  /** The port of `readyPath`, then all others. */
  readonly ports: readonly [Port, ...Port[]];
  /** Answers with 200 when it is ready. */
  readonly readyPath: string;
  /** The current text of its configuration. */
  config(ports: readonly number[]): string;
  /** The files that its configuration names. */
  files?(): readonly ConfigFile[];
  arguments(ports: readonly number[], configFile: string): readonly string[];
}

/** A server with a configuration file that it can read again. */
export interface ConfiguredServer extends Server {
  /** Resolves when it listens for the first time. Its address is final then, ready or not. */
  readonly bound: Promise<unknown>;
  /** True once {@link bound} has resolved. */
  readonly isBound: boolean;
  /** Writes its configuration and makes the server read it again. @throws Error when the server refuses it */
  reload(): Promise<void>;
  /** Reloads if the configuration has changed since it was written. @throws Error when the server refuses it */
  update(): Promise<void>;
}

const HOST = "127.0.0.1";
const RELOAD_MS_MAX = 5000;

/** A third-party server that cannot pick its own ports, and reports over HTTP whether it is ready. */
export function configuredServer(options: ConfiguredServerOptions): ConfiguredServer {
  const { name, file, folder, env, logFile, ports, readyPath } = options;
  const configFile = join(folder, `${name}.yml`);
  const url = (): string => `http://${HOST}:${ports[0].number}`;
  let written: string | undefined;
  const write = (text: string): void => {
    writeBeside(configFile, options.files?.() ?? []);
    writeFileSync(configFile, text, { mode: 0o600 });
    written = text;
  };
  const current = (): string => options.config(ports.map(({ number }) => number));
  const reload = async (): Promise<void> => {
    write(current());
    const order = { method: "POST", signal: AbortSignal.timeout(RELOAD_MS_MAX) };
    const response = await fetch(`${url()}/-/reload`, order);
    if (!response.ok) throw new Error(`${name} refuses its configuration: ${await response.text()}`);
  };
  return {
    program: {
      name,
      command: () => {
        const numbers = ports.map((port) => port.try());
        write(options.config(numbers));
        const args = options.arguments(numbers, configFile);
        return { file, args, env, ...(logFile !== undefined && { logFile }) };
      },
      isReady: async (pid) => {
        if (!ports.every(({ number }) => listensOn(pid, number))) return false;
        for (const port of ports) port.keep(port.number);
        return isOk(`${url()}${readyPath}`);
      },
    },
    get url() {
      return url();
    },
    bound: Promise.all(ports.map((port) => port.bound)),
    get isBound() {
      return ports.every((port) => port.isBound);
    },
    reload,
    update: async () => {
      if (written !== undefined && written !== current()) await reload();
    },
  };
}

function writeBeside(configFile: string, files: readonly ConfigFile[]): void {
  for (const { path, text } of files) {
    const file = join(dirname(configFile), path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, text, { mode: 0o600 });
  }
}
