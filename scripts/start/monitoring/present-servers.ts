import type { ScrapeJob } from "../../monitoring/jobs.ts";
import type { StartConfig } from "../config.ts";
import { tracesGoElsewhere } from "../environment.ts";
import type { LocalFolder } from "../local-folder.ts";
import { accepts, Port } from "../port.ts";
import { say } from "../terminal.ts";
import { type AlertedController, alertmanagerServer } from "./alertmanager.ts";
import type { WatchServer } from "./http-server.ts";
import { jaegerServer } from "./jaeger.ts";
import { type Prometheus, prometheusServer } from "./prometheus.ts";

export interface PresentOptions {
  readonly config: StartConfig;
  readonly folder: LocalFolder;
  readonly env: Readonly<Record<string, string>>;
  /** The launcher's own environment. */
  readonly own: NodeJS.ProcessEnv;
  /** The rollback controller, which Alertmanager tells of alerts. */
  readonly control: AlertedController;
  /** What Prometheus scrapes, beside itself. */
  jobs(): readonly ScrapeJob[];
}

/** As far as this machine has them. */
export interface PresentServers {
  readonly jaeger: WatchServer | undefined;
  /** Where Jaeger takes traces. */
  otlpUrl(): string | undefined;
  readonly alertmanager: WatchServer | undefined;
  readonly prometheus: Prometheus | undefined;
}

/** What there is to start; says for each that is missing what brings it. */
export async function presentServers(options: PresentOptions): Promise<PresentServers> {
  const alertmanager = await presentAlertmanager(options);
  const alertmanagers = (): string[] =>
    alertmanager?.isBound === true ? [new URL(alertmanager.url).host] : [];
  return {
    ...(await presentJaeger(options)),
    alertmanager,
    prometheus: await presentPrometheus(options, alertmanagers),
  };
}

async function presentJaeger(options: PresentOptions): Promise<Pick<PresentServers, "jaeger" | "otlpUrl">> {
  const { config, folder, env, own } = options;
  const file = config.SCBE_JAEGER;
  const nothing = { jaeger: undefined, otlpUrl: () => undefined };
  if (tracesGoElsewhere(own)) {
    say("traces go where OTEL_EXPORTER_OTLP_* says, so no Jaeger is started");
    return nothing;
  }
  if (file === undefined) {
    sayMissing("Jaeger", "jaeger", "there are no traces");
    return nothing;
  }
  const otlpPort = await usualPort(config, "SCBE_JAEGER_OTLP_PORT");
  const port = await usualPort(config, "SCBE_JAEGER_PORT");
  return {
    jaeger: jaegerServer({ file, folder, env, port, otlpPort }),
    otlpUrl: () => `http://127.0.0.1:${otlpPort.number}`,
  };
}

async function presentAlertmanager({
  config,
  folder,
  env,
  control,
}: PresentOptions): Promise<WatchServer | undefined> {
  const file = config.SCBE_ALERTMANAGER;
  if (file !== undefined) {
    const port = await usualPort(config, "SCBE_ALERTMANAGER_PORT");
    return alertmanagerServer({ file, folder, env, port, control });
  }
  sayMissing("Alertmanager", "alertmanager", "nobody hears of alerts");
  return undefined;
}

async function presentPrometheus(
  { config, folder, env, jobs }: PresentOptions,
  alertmanagers: () => readonly string[],
): Promise<Prometheus | undefined> {
  const file = config.SCBE_PROMETHEUS;
  if (file === undefined) {
    sayMissing("Prometheus", "prometheus", "nobody watches the metrics");
    return undefined;
  }
  const port = await usualPort(config, "SCBE_PROMETHEUS_PORT");
  return prometheusServer({ file, folder, env, port, jobs, alertmanagers });
}

function sayMissing(title: string, name: string, so: string): void {
  say(`${title} was not found, so ${so}; npm run get ${name} brings it`);
}

/** The usual one, or another where that is taken. */
async function usualPort(
  config: StartConfig,
  variable: "SCBE_JAEGER_PORT" | "SCBE_JAEGER_OTLP_PORT" | "SCBE_ALERTMANAGER_PORT" | "SCBE_PROMETHEUS_PORT",
): Promise<Port> {
  const wanted = config[variable];
  const isTaken = wanted !== 0 && (await accepts(wanted));
  if (isTaken) say(`port ${wanted} of 127.0.0.1 (${variable}) is taken: another one is tried`);
  return new Port(isTaken ? 0 : wanted);
}
