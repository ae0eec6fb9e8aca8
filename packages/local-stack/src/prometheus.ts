import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ConfigFile, type ConfiguredServer, configuredServer } from "./configured-server.ts";
import { findExecutable, findServer } from "./find-tool.ts";
import { Port } from "./ports.ts";
import { outputOf } from "./process.ts";
import { type ServerOptions, startProgram } from "./program.ts";
import { createTempDir } from "./temp-dir.ts";

export interface PrometheusServerOptions extends ServerOptions {
  readonly folder: string;
  readonly port: Port;
  /** The current text of `prometheus.yml`. */
  config(): string;
  /** Rule files, and other files that the configuration names. */
  files?(): readonly ConfigFile[];
  /** How long a firing alert waits before it is sent again, also to an Alertmanager that missed it. */
  readonly resendDelayMs: number;
  /** Of its data, e.g. `512MB`; default: no limit. */
  readonly sizeMax?: string;
}

/** Prometheus on 127.0.0.1. */
export function prometheusServer(options: PrometheusServerOptions): ConfiguredServer {
  const { port, resendDelayMs, sizeMax, ...rest } = options;
  return configuredServer({
    ...rest,
    name: "prometheus",
    ports: [port],
    readyPath: "/-/ready",
    arguments: ([number], configFile) => [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${dataIn(options.folder)}`,
      ...(sizeMax === undefined ? [] : [`--storage.tsdb.retention.size=${sizeMax}`]),
      `--web.listen-address=127.0.0.1:${number}`,
      "--web.enable-lifecycle",
      `--rules.alert.resend-delay=${resendDelayMs}ms`,
    ],
  });
}

function dataIn(folder: string): string {
  return join(folder, "prometheus");
}

export interface PrometheusOptions {
  /** Text of `prometheus.yml`. Paths in it, as of rule files, are relative to it. */
  readonly config: string;
  readonly files?: readonly ConfigFile[];
}

export interface PrometheusStartOptions extends PrometheusOptions {
  /** Default 1 minute, as Prometheus has it. */
  readonly alertResendDelayMs?: number;
  /** Samples from before its start: OpenMetrics text with times, `# EOF` last. */
  readonly history?: string;
}

/** The value of one series at one time. */
export interface Sample {
  /** With `__name__` if the expression keeps it. */
  readonly labels: Readonly<Record<string, string>>;
  /** NaN and infinities included. */
  readonly value: number;
}

/** An alert that is pending or firing. */
export interface ActiveAlert {
  readonly state: "pending" | "firing";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ScrapeTarget {
  /** `job`, `instance` and the labels of the configuration. */
  readonly labels: Readonly<Record<string, string>>;
  readonly health: "up" | "down" | "unknown";
  /** Empty unless the last scrape failed. */
  readonly lastError: string;
}

/** A real Prometheus. */
export interface PrometheusServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Its log. */
  readonly output: string;
  /** The current value of an expression: one sample for each series; a scalar has no labels. @throws Error for a wrong expression */
  query(expression: string): Promise<readonly Sample[]>;
  alerts(): Promise<readonly ActiveAlert[]>;
  targets(): Promise<readonly ScrapeTarget[]>;
  /** Replaces its configuration. @throws Error when Prometheus refuses it */
  reload(options: PrometheusOptions): Promise<void>;
}

/** Starts one for a test, with a temporary folder. @throws Error with the server's output when it does not start */
export async function startPrometheus(options: PrometheusStartOptions): Promise<PrometheusServer> {
  const file = findServer("prometheus");
  const dir = createTempDir();
  try {
    let { config, files = [] } = options;
    const definition = prometheusServer({
      ...{ file, env: process.env, folder: dir.path, port: new Port() },
      config: () => config,
      files: () => files,
      resendDelayMs: options.alertResendDelayMs ?? RESEND_DELAY_MS,
    });
    if (options.history !== undefined) await writeHistory(dir.path, options.history);
    const server = await startProgram(definition.program);
    const { url } = definition;
    return {
      url,
      pid: server.pid,
      get output() {
        return outputOf(server);
      },
      query: async (expression) => samplesOf(await ask(url, "query", { query: expression })),
      alerts: async () => ((await ask(url, "alerts")) as { alerts: ActiveAlert[] }).alerts,
      targets: async () => {
        const found = (await ask(url, "targets", { state: "active" })) as { activeTargets: ScrapeTarget[] };
        return found.activeTargets;
      },
      reload: async (next) => {
        ({ config, files = [] } = next);
        await definition.reload();
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

/** Prometheus's default. */
const RESEND_DELAY_MS = 60_000;

/** Writes blocks, which Prometheus reads when it starts. @throws Error with promtool's message */
async function writeHistory(dir: string, text: string): Promise<void> {
  const program = findExecutable("promtool");
  if (program === undefined) throw new Error("promtool, which comes with Prometheus, was not found");
  const file = join(dir, "history.txt");
  writeFileSync(file, text);
  const args = ["tsdb", "create-blocks-from", "openmetrics", "--quiet", file, dataIn(dir)];
  await promisify(execFile)(program, args);
}

/** @throws Error with Prometheus's message */
async function ask(url: string, what: string, parameters: Record<string, string> = {}): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/${what}?${new URLSearchParams(parameters)}`);
  const answer = (await response.json()) as { data?: unknown; error?: string };
  if (answer.error !== undefined) throw new Error(`${answer.error}: ${parameters.query ?? what}`);
  return answer.data;
}

type QueryData =
  | {
      readonly resultType: "vector";
      readonly result: readonly { metric: Record<string, string>; value: [number, string] }[];
    }
  | { readonly resultType: "scalar"; readonly result: [number, string] }
  | { readonly resultType: "matrix" | "string" };

function samplesOf(data: unknown): Sample[] {
  const found = data as QueryData;
  if (found.resultType === "scalar") return [{ labels: {}, value: numberOf(found.result[1]) }];
  if (found.resultType !== "vector")
    throw new Error(`a ${found.resultType} is not one value for each series`);
  return found.result.map(({ metric, value: [, text] }) => ({ labels: metric, value: numberOf(text) }));
}

function numberOf(text: string): number {
  return Number(text.replace(/^([+-]?)Inf$/, "$1Infinity"));
}
