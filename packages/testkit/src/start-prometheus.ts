import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { findServer } from "./find-server.ts";
import { findExecutable } from "./find-tool.ts";
import { isOk, outputOf, startOnPorts } from "./start-on-ports.ts";
import { createTempDir } from "./temp-dir.ts";

/** A file that a configuration names, by its path from there. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface PrometheusOptions {
  /** Text of `prometheus.yml`. Paths in it, as of rule files, are looked up beside it. */
  readonly config: string;
  /** Rule files, and whatever else the configuration names. */
  readonly files?: readonly ConfigFile[];
}

export interface PrometheusStartOptions extends PrometheusOptions {
  /** Until an alert that goes on firing is told again, to an Alertmanager that has not heard of it as well; default 1 minute. */
  readonly alertResendDelayMs?: number;
  /** What it is to know from before it started: samples in OpenMetrics text with their times, `# EOF` last. */
  readonly history?: string;
}

/** One series' value at one time. */
export interface Sample {
  /** With `__name__`, where the expression has kept it. */
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
  /** `job`, `instance` and whatever the configuration adds. */
  readonly labels: Readonly<Record<string, string>>;
  readonly health: "up" | "down" | "unknown";
  /** Why the last scrape failed; else empty. */
  readonly lastError: string;
}

/** A real Prometheus on a port of its own on 127.0.0.1. */
export interface PrometheusServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** What it has logged. */
  readonly output: string;
  /** The value of an expression now: one sample for each series; a scalar is one without labels. @throws Error for a wrong one */
  query(expression: string): Promise<readonly Sample[]>;
  alerts(): Promise<readonly ActiveAlert[]>;
  targets(): Promise<readonly ScrapeTarget[]>;
  /** Has it read its configuration again. @throws Error when that is wrong */
  reload(options: PrometheusOptions): Promise<void>;
}

/** Starts one; its temporary folder goes with it. @throws Error with the server's output when it does not start */
export async function startPrometheus(options: PrometheusStartOptions): Promise<PrometheusServer> {
  const program = findServer("prometheus");
  const dir = createTempDir();
  try {
    writeFiles(dir.path, options);
    if (options.history !== undefined) await writeHistory(dir.path, options.history);
    const { server, ports } = await startOnPorts({
      program,
      ports: 1,
      arguments: ([port]) => [
        `--config.file=${join(dir.path, CONFIG_FILE)}`,
        `--storage.tsdb.path=${join(dir.path, DATA_DIR)}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--web.enable-lifecycle",
        `--rules.alert.resend-delay=${options.alertResendDelayMs ?? RESEND_DELAY_MS}ms`,
      ],
      isReady: ([port]) => isOk(`http://127.0.0.1:${port}/-/ready`),
    });
    const url = `http://127.0.0.1:${ports[0]}`;
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
        writeFiles(dir.path, next);
        const response = await fetch(`${url}/-/reload`, { method: "POST" });
        if (!response.ok) throw new Error(await response.text());
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

const CONFIG_FILE = "prometheus.yml";
const DATA_DIR = "data";
/** Prometheus's own default. */
const RESEND_DELAY_MS = 60_000;

function writeFiles(dir: string, { config, files = [] }: PrometheusOptions): void {
  for (const { path, text } of [{ path: CONFIG_FILE, text: config }, ...files]) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
}

/** As blocks, which Prometheus reads when it starts. @throws Error with promtool's own words */
async function writeHistory(dir: string, text: string): Promise<void> {
  const program = findExecutable("promtool");
  if (program === undefined) throw new Error("promtool, which comes with Prometheus, was not found");
  const file = join(dir, "history.txt");
  writeFileSync(file, text);
  const output = join(dir, DATA_DIR);
  await promisify(execFile)(program, ["tsdb", "create-blocks-from", "openmetrics", "--quiet", file, output]);
}

/** @throws Error with Prometheus's own words */
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
