import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ScrapeJob } from "../../monitoring/jobs.ts";
import { renderPrometheusConfig } from "../../monitoring/render-prometheus-config.ts";
import { renderRules } from "../../monitoring/render-rules.ts";
import type { LocalFolder } from "../local-folder.ts";
import type { Port } from "../port.ts";
import { httpServer, type WatchServer } from "./http-server.ts";

export interface PrometheusOptions {
  readonly file: string;
  readonly folder: LocalFolder;
  readonly env: Readonly<Record<string, string>>;
  readonly port: Port;
  /** What it scrapes beside itself; asked at its start, and by {@link Prometheus.update}. */
  jobs(): readonly ScrapeJob[];
  /** `host:port` of those that it tells of alerts. */
  alertmanagers(): readonly string[];
}

export interface Prometheus extends WatchServer {
  /** How many targets it has. */
  readonly targets: number;
}

const INTERVAL_S = 1;
const DATA_MAX = "512MB";

/** Prometheus with a deployment's rules and durations, that scrapes often. */
export function prometheusServer({
  jobs,
  alertmanagers,
  port,
  folder,
  ...options
}: PrometheusOptions): Prometheus {
  const rules = renderRules();
  const allJobs = (): readonly ScrapeJob[] => [
    ...jobs(),
    { job: "prometheus", targets: [`127.0.0.1:${port.number}`] },
  ];
  const config = (): string =>
    renderPrometheusConfig({
      scrapeIntervalS: INTERVAL_S,
      evaluationIntervalS: INTERVAL_S,
      ruleFiles: rules.map(({ path }) => path),
      targets: allJobs(),
      alertmanagers: alertmanagers(),
    });
  const server = httpServer({
    ...options,
    folder,
    name: "prometheus",
    ports: [port],
    readyPath: "/-/ready",
    config,
    arguments: ([number], configFile) => {
      writeBeside(configFile, rules);
      return [
        `--config.file=${configFile}`,
        `--storage.tsdb.path=${join(folder.monitoring, "prometheus")}`,
        `--storage.tsdb.retention.size=${DATA_MAX}`,
        `--web.listen-address=127.0.0.1:${number}`,
        "--web.enable-lifecycle",
        // An alert that fires before Alertmanager is found is dropped, and sent again after this.
        "--rules.alert.resend-delay=10s",
      ];
    },
  });
  const { program, bound, update } = server;
  return {
    ...{ program, bound, update },
    get url() {
      return server.url;
    },
    get isBound() {
      return server.isBound;
    },
    get targets() {
      return allJobs().flatMap(({ targets }) => targets).length;
    },
  };
}

function writeBeside(configFile: string, files: readonly { path: string; text: string }[]): void {
  for (const { path, text } of files) {
    const file = join(dirname(configFile), path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, text, { mode: 0o600 });
  }
}
