import { alertmanagerServer } from "../alertmanager.ts";
import type { ConfiguredServer } from "../configured-server.ts";
import { jaegerServer } from "../jaeger.ts";
import type { NodeProgram } from "../node-program.ts";
import { accepts, Port } from "../ports.ts";
import { prometheusServer } from "../prometheus.ts";
import { Fleet } from "../supervisor.ts";
import { say, warn } from "../terminal.ts";
import type { StartConfig } from "./config.ts";
import { tracesGoElsewhere } from "./environment.ts";
import type { LocalFolder } from "./local-folder.ts";
import {
  deployedRules,
  localAlertmanagerConfig,
  localPrometheusConfig,
  type ScrapeJob,
} from "./monitoring-config.ts";
import { untilScraped } from "./until-scraped.ts";

/** Addresses; null for a server that does not run. */
export interface MonitoringUrls {
  readonly prometheus: string | null;
  readonly alertmanager: string | null;
  readonly jaeger: string | null;
}

export const NO_MONITORING: MonitoringUrls = { prometheus: null, alertmanager: null, jaeger: null };

export interface MonitoringOptions {
  /** The folder of the checkout. */
  readonly root: string;
  readonly config: StartConfig;
  readonly folder: LocalFolder;
  readonly env: Readonly<Record<string, string>>;
  /** The launcher's own environment. */
  readonly own: NodeJS.ProcessEnv;
  /** The rollback controller, to which Alertmanager sends alerts. */
  readonly control: AlertedController;
  /** What Prometheus scrapes, beside itself. */
  jobs(): readonly ScrapeJob[];
}

export interface AlertedController {
  /** Empty until it has reported its port. */
  url(): string;
  readonly tokenFiles: Readonly<Record<string, string>>;
}

const READY_TIMEOUT_MS = 20_000;
const SCRAPE_TIMEOUT_MS = 15_000;

/** Prometheus, Alertmanager and Jaeger, if this machine has them. A failure of one is reported, and stops nothing else. */
export class Monitoring implements AsyncDisposable {
  readonly #servers: MonitoringServers;
  readonly #signal: AbortSignal;
  readonly #fleet = new Fleet();
  readonly #up = new Set<ConfiguredServer>();
  readonly #starting: Promise<unknown>;
  readonly #jaegerStarting: Promise<void>;

  private constructor(servers: MonitoringServers, signal: AbortSignal) {
    this.#servers = servers;
    this.#signal = signal;
    const { jaeger, alertmanager, prometheus } = servers;
    this.#jaegerStarting = this.#bringUp(jaeger);
    this.#starting = Promise.all([this.#bringUp(alertmanager), this.#bringUp(prometheus)]);
  }

  /** Begins to start the servers. @param signal stops waiting for them */
  static async begin(options: MonitoringOptions, signal: AbortSignal): Promise<Monitoring> {
    return new Monitoring(await monitoringServers(options), signal);
  }

  /** Of the servers that are ready. */
  get urls(): MonitoringUrls {
    const { prometheus, alertmanager, jaeger } = this.#servers;
    const urlOf = (server: ConfiguredServer | undefined): string | null =>
      server !== undefined && this.#up.has(server) ? server.url : null;
    return { prometheus: urlOf(prometheus), alertmanager: urlOf(alertmanager), jaeger: urlOf(jaeger) };
  }

  /** The addresses of Prometheus and Alertmanager, as soon as each listens, ready or not, or does not start. */
  async boundUrls(): Promise<MonitoringUrls> {
    const urlOf = async (server: ConfiguredServer | undefined): Promise<string | null> => {
      if (server === undefined) return null;
      await Promise.race([server.bound, this.#starting]);
      return server.isBound ? server.url : null;
    };
    const { prometheus, alertmanager } = this.#servers;
    return { prometheus: await urlOf(prometheus), alertmanager: await urlOf(alertmanager), jaeger: null };
  }

  /** Reloads the configurations with the addresses that programs have reported since. */
  async update(): Promise<void> {
    await this.#starting;
    const { prometheus, alertmanager } = this.#servers;
    for (const server of [prometheus, alertmanager]) {
      if (server === undefined || !this.#up.has(server) || this.#signal.aborted) continue;
      await server.update().catch((error: Error) => warn(`going on, though ${error.message}`));
    }
  }

  /** The address of Jaeger's receiver, once Jaeger runs; `undefined` if it does not start. */
  async otlpUrl(): Promise<string | undefined> {
    await this.#jaegerStarting;
    return this.urls.jaeger === null ? undefined : this.#servers.otlpUrl();
  }

  /** Resolves when Prometheus has scraped every target after this call, so that counters rise from known values. */
  async untilScraped(): Promise<void> {
    await this.update();
    const { prometheus } = this.#servers;
    if (prometheus === undefined || !this.#up.has(prometheus)) return;
    const left = await untilScraped({
      url: prometheus.url,
      targets: this.#servers.targets(),
      timeoutMs: SCRAPE_TIMEOUT_MS,
      signal: this.#signal,
    });
    if (left.length === 0 || this.#signal.aborted) return;
    warn(`going on, though Prometheus has not scraped everything: ${left.join("; ")}`);
  }

  async #bringUp(server: ConfiguredServer | undefined): Promise<void> {
    if (server === undefined) return;
    try {
      await this.#fleet.start([server.program], READY_TIMEOUT_MS, this.#signal);
      this.#up.add(server);
    } catch (error) {
      if (this.#signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      warn(`going on without ${server.program.name}: ${why}`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#fleet[Symbol.asyncDispose]();
  }
}

/** The servers that this machine has. */
export interface MonitoringServers {
  readonly jaeger: ConfiguredServer | undefined;
  /** The address of Jaeger's receiver. */
  otlpUrl(): string | undefined;
  readonly alertmanager: ConfiguredServer | undefined;
  readonly prometheus: ConfiguredServer | undefined;
  /** The number of Prometheus's targets. */
  targets(): number;
}

/** The definitions of the servers that this machine has; reports for each missing one the command that brings it. */
export async function monitoringServers(options: MonitoringOptions): Promise<MonitoringServers> {
  const jaeger = await jaegerOf(options);
  const alertmanager = await alertmanagerOf(options);
  return { ...jaeger, alertmanager, ...(await prometheusOf(options, alertmanager)) };
}

async function jaegerOf(options: MonitoringOptions): Promise<Pick<MonitoringServers, "jaeger" | "otlpUrl">> {
  const { config, own } = options;
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
    jaeger: jaegerServer({ ...serverOptions(options, "jaeger"), file, port, otlpPort }),
    otlpUrl: () => `http://127.0.0.1:${otlpPort.number}`,
  };
}

async function alertmanagerOf(options: MonitoringOptions): Promise<ConfiguredServer | undefined> {
  const { root, config, control } = options;
  const file = config.SCBE_ALERTMANAGER;
  if (file === undefined) {
    sayMissing("Alertmanager", "alertmanager", "no alert is sent");
    return undefined;
  }
  const port = await usualPort(config, "SCBE_ALERTMANAGER_PORT");
  const webhook = () => ({
    url: `${control.url()}/webhooks/alertmanager`,
    tokenFile: control.tokenFiles.SCBE_ALERTMANAGER_TOKEN_FILE,
  });
  return alertmanagerServer({
    ...serverOptions(options, "alertmanager"),
    ...{ file, port },
    config: () => localAlertmanagerConfig(root, control.url() === "" ? undefined : webhook()),
  });
}

const DATA_MAX = "512MB";
/** An alert that fires before Prometheus has found Alertmanager is dropped, and sent again after this time. */
const RESEND_DELAY_MS = 10_000;

async function prometheusOf(
  options: MonitoringOptions,
  alertmanager: ConfiguredServer | undefined,
): Promise<Pick<MonitoringServers, "prometheus" | "targets">> {
  const { root, config } = options;
  const file = config.SCBE_PROMETHEUS;
  if (file === undefined) {
    sayMissing("Prometheus", "prometheus", "no metrics are collected");
    return { prometheus: undefined, targets: () => 0 };
  }
  const port = await usualPort(config, "SCBE_PROMETHEUS_PORT");
  const jobs = () => [...options.jobs(), { job: "prometheus", targets: [`127.0.0.1:${port.number}`] }];
  const alertmanagers = () => (alertmanager?.isBound === true ? [new URL(alertmanager.url).host] : []);
  const rules = deployedRules(root);
  return {
    prometheus: prometheusServer({
      ...serverOptions(options, "prometheus"),
      ...{ file, port, resendDelayMs: RESEND_DELAY_MS, sizeMax: DATA_MAX },
      config: () => localPrometheusConfig(root, { jobs: jobs(), alertmanagers: alertmanagers() }),
      files: () => rules,
    }),
    targets: () => jobs().flatMap(({ targets }) => targets).length,
  };
}

function serverOptions({ folder, env }: MonitoringOptions, name: string) {
  return { folder: folder.monitoring, env, logFile: folder.logFile(name) };
}

function sayMissing(title: string, name: string, so: string): void {
  say(`${title} was not found, so ${so}; npm run get ${name} brings it`);
}

/** The configured port, or any other if that is taken. */
async function usualPort(
  config: StartConfig,
  variable: "SCBE_JAEGER_PORT" | "SCBE_JAEGER_OTLP_PORT" | "SCBE_ALERTMANAGER_PORT" | "SCBE_PROMETHEUS_PORT",
): Promise<Port> {
  const wanted = config[variable];
  const isTaken = wanted !== 0 && (await accepts(wanted));
  if (isTaken) say(`port ${wanted} of 127.0.0.1 (${variable}) is taken: another one is tried`);
  return new Port(isTaken ? 0 : wanted);
}

export interface Scraped {
  readonly services: readonly NodeProgram[];
  readonly gateways: readonly NodeProgram[];
  /** The ops port of the launcher's own orchestrator. */
  readonly orchestratorUrl: string;
}

/** One job for each service, one for all gateways, one for the orchestrator; without programs that have not reported a port yet. */
export function scrapeJobs({ services, gateways, orchestratorUrl }: Scraped): ScrapeJob[] {
  const jobs = [
    ...services.map((part) => ({ job: part.program.name, targets: hostsOf([part]) })),
    { job: "gateway", targets: hostsOf(gateways) },
    { job: "orchestrator", targets: [new URL(orchestratorUrl).host] },
  ];
  return jobs.filter(({ targets }) => targets.length > 0);
}

function hostsOf(parts: readonly NodeProgram[]): string[] {
  return parts.flatMap(({ url }) => (url() === "" ? [] : new URL(url()).host));
}
