import { join } from "node:path";
import { type ConfigFile, type ConfiguredServer, configuredServer } from "./configured-server.ts";
import { findServer } from "./find-tool.ts";
import { Port } from "./ports.ts";
import { outputOf } from "./process.ts";
import { type ServerOptions, startProgram } from "./program.ts";
import { createTempDir } from "./temp-dir.ts";

export interface AlertmanagerServerOptions extends ServerOptions {
  readonly folder: string;
  readonly port: Port;
  /** The current text of `alertmanager.yml`. */
  config(): string;
  files?(): readonly ConfigFile[];
}

/** Alertmanager, alone, on 127.0.0.1. */
export function alertmanagerServer({ port, ...options }: AlertmanagerServerOptions): ConfiguredServer {
  return configuredServer({
    ...options,
    name: "alertmanager",
    ports: [port],
    readyPath: "/-/ready",
    arguments: ([number], configFile) => [
      `--config.file=${configFile}`,
      `--storage.path=${join(options.folder, "alertmanager")}`,
      `--web.listen-address=127.0.0.1:${number}`,
      // The default is to listen for cluster members on every address.
      "--cluster.listen-address=",
    ],
  });
}

export interface AlertmanagerOptions {
  /** Text of `alertmanager.yml`. Paths in it, as of files with secrets, are relative to it. */
  readonly config: string;
  readonly files?: readonly ConfigFile[];
}

/** Alerts of one notification. */
export interface AlertGroup {
  /** The labels that the group is made by. */
  readonly labels: Readonly<Record<string, string>>;
  readonly receiver: { readonly name: string };
  readonly alerts: readonly { readonly labels: Readonly<Record<string, string>> }[];
}

export interface PostedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly endsAt?: string;
}

/** A real Alertmanager. */
export interface AlertmanagerServer extends AsyncDisposable {
  readonly url: string;
  /** `127.0.0.1:port`, as Prometheus's configuration has it. */
  readonly address: string;
  readonly pid: number;
  /** Its log. */
  readonly output: string;
  groups(): Promise<readonly AlertGroup[]>;
  /** Posts alerts, as Prometheus does; without an end they last for its `resolve_timeout`. */
  post(alerts: readonly PostedAlert[]): Promise<void>;
}

/** Starts one for a test, with a temporary folder. @throws Error with the server's output when it does not start */
export async function startAlertmanager({
  config,
  files = [],
}: AlertmanagerOptions): Promise<AlertmanagerServer> {
  const file = findServer("alertmanager");
  const dir = createTempDir();
  try {
    const definition = alertmanagerServer({
      ...{ file, env: process.env, folder: dir.path, port: new Port() },
      config: () => config,
      files: () => files,
    });
    const server = await startProgram(definition.program);
    const { url } = definition;
    return {
      url,
      address: new URL(url).host,
      pid: server.pid,
      get output() {
        return outputOf(server);
      },
      groups: async () => (await fetch(`${url}/api/v2/alerts/groups`)).json() as Promise<AlertGroup[]>,
      post: (alerts) => post(url, alerts),
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

async function post(url: string, alerts: readonly object[]): Promise<void> {
  const response = await fetch(`${url}/api/v2/alerts`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(alerts),
  });
  if (!response.ok) throw new Error(await response.text());
}
