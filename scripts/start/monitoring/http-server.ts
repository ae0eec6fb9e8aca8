import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { listensOn } from "@scbe/local-stack";
import type { LocalFolder } from "../local-folder.ts";
import type { Port } from "../port.ts";
import type { Server } from "../servers.ts";

export interface HttpServerOptions {
  readonly name: string;
  readonly file: string;
  readonly folder: LocalFolder;
  readonly env: Readonly<Record<string, string>>;
  /** The one that says whether it is ready, and then all others. */
  readonly ports: readonly [Port, ...Port[]];
  /** Answers with 200 when it is ready. */
  readonly readyPath: string;
  /** The text of its configuration, as it is now. */
  config(ports: readonly number[]): string;
  arguments(ports: readonly number[], configFile: string): readonly string[];
}

/** A server that watches SCBE. */
export interface WatchServer extends Server {
  /** Resolves when it listens for the first time: its address is then what it will be, ready or not. */
  readonly bound: Promise<unknown>;
  /** True once {@link bound} has resolved. */
  readonly isBound: boolean;
  /** Has it read its configuration again, if that is another one by now. @throws Error when it does not take it */
  update(): Promise<void>;
}

const HOST = "127.0.0.1";
const ANSWER_MS_MAX = 2000;

/** A third-party server that cannot pick its own ports, and says over HTTP whether it is ready. */
export function httpServer(options: HttpServerOptions): WatchServer {
  const { name, file, folder, env, ports, readyPath } = options;
  const configFile = join(folder.monitoring, `${name}.yml`);
  const url = (): string => `http://${HOST}:${ports[0].number}`;
  let written: string | undefined;
  const write = (text: string): void => {
    writeFileSync(configFile, text, { mode: 0o600 });
    written = text;
  };
  return {
    program: {
      name,
      command: async () => {
        const tried = ports.map((port) => port.try());
        write(options.config(tried));
        const args = options.arguments(tried, configFile);
        return { file, args, env, ipc: false, logFile: folder.logFile(name) };
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
    update: async () => {
      const text = options.config(ports.map(({ number }) => number));
      if (written === undefined || text === written) return;
      write(text);
      const reload = { method: "POST", signal: AbortSignal.timeout(ANSWER_MS_MAX) };
      const response = await fetch(`${url()}/-/reload`, reload);
      if (!response.ok) throw new Error(`${name} does not take its configuration: ${await response.text()}`);
    },
  };
}

async function isOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  await response.body?.cancel();
  return response.ok;
}
