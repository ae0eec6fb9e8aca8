import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findServer } from "./find-server.ts";
import { isOk, outputOf, startOnPorts } from "./start-on-ports.ts";
import type { ConfigFile } from "./start-prometheus.ts";
import { createTempDir } from "./temp-dir.ts";

export interface AlertmanagerOptions {
  /** Text of `alertmanager.yml`. Paths in it, as of files with secrets, are looked up beside it. */
  readonly config: string;
  readonly files?: readonly ConfigFile[];
}

/** Alerts that are told together. */
export interface AlertGroup {
  /** The labels that it was made by. */
  readonly labels: Readonly<Record<string, string>>;
  readonly receiver: { readonly name: string };
  readonly alerts: readonly { readonly labels: Readonly<Record<string, string>> }[];
}

export interface PostedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly endsAt?: string;
}

/** A real Alertmanager, alone, on a port of its own on 127.0.0.1. */
export interface AlertmanagerServer extends AsyncDisposable {
  readonly url: string;
  /** `127.0.0.1:port`, as Prometheus's configuration wants it. */
  readonly address: string;
  readonly pid: number;
  /** What it has logged. */
  readonly output: string;
  groups(): Promise<readonly AlertGroup[]>;
  /** Tells it of alerts, as Prometheus does; without an end they last for its `resolve_timeout`. */
  post(alerts: readonly PostedAlert[]): Promise<void>;
}

/** Starts one; its temporary folder goes with it. @throws Error with the server's output when it does not start */
export async function startAlertmanager({
  config,
  files = [],
}: AlertmanagerOptions): Promise<AlertmanagerServer> {
  const program = findServer("alertmanager");
  const dir = createTempDir();
  try {
    for (const { path, text } of [{ path: CONFIG_FILE, text: config }, ...files]) {
      mkdirSync(dirname(join(dir.path, path)), { recursive: true });
      writeFileSync(join(dir.path, path), text, { mode: 0o600 });
    }
    const { server, ports } = await startOnPorts({
      program,
      ports: 1,
      arguments: ([port]) => [
        `--config.file=${join(dir.path, CONFIG_FILE)}`,
        `--storage.path=${join(dir.path, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
        // Else it listens for others of its kind, on every address.
        "--cluster.listen-address=",
      ],
      isReady: ([port]) => isOk(`http://127.0.0.1:${port}/-/ready`),
    });
    const address = `127.0.0.1:${ports[0]}`;
    const url = `http://${address}`;
    return {
      url,
      address,
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

const CONFIG_FILE = "alertmanager.yml";

async function post(url: string, alerts: readonly object[]): Promise<void> {
  const response = await fetch(`${url}/api/v2/alerts`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(alerts),
  });
  if (!response.ok) throw new Error(await response.text());
}
