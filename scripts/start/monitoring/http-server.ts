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
  /** Its arguments, once its ports are known; its configuration is written in here. */
  arguments(ports: readonly number[]): readonly string[];
}

const HOST = "127.0.0.1";
const ANSWER_MS_MAX = 2000;

/** A real server of somebody else's making, that says over HTTP whether it is ready. */
export function httpServer(options: HttpServerOptions): Server {
  const { name, file, folder, env, ports, readyPath } = options;
  const url = (): string => `http://${HOST}:${ports[0].number}`;
  return {
    program: {
      name,
      command: async () => {
        const taken = await Promise.all(ports.map((port) => port.take()));
        return { file, args: options.arguments(taken), env, ipc: false, logFile: folder.logFile(name) };
      },
      isReady: () => isOk(`${url()}${readyPath}`),
      onReady: () => {
        for (const port of ports) port.keep();
      },
    },
    get url() {
      return url();
    },
  };
}

async function isOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  await response.body?.cancel();
  return response.ok;
}
