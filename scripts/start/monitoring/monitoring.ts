import { Fleet } from "../fleet.ts";
import type { Server } from "../servers.ts";
import { warn } from "../terminal.ts";
import type { WatchServer } from "./http-server.ts";
import { type PresentOptions, type PresentServers, presentServers } from "./present-servers.ts";
import { untilScraped } from "./until-scraped.ts";

/** Where they are; null for those that are not there. */
export interface MonitoringUrls {
  readonly prometheus: string | null;
  readonly alertmanager: string | null;
  readonly jaeger: string | null;
}

export const NO_MONITORING: MonitoringUrls = { prometheus: null, alertmanager: null, jaeger: null };

const READY_TIMEOUT_MS = 20_000;
const SCRAPE_TIMEOUT_MS = 15_000;

/**
 * Prometheus, Alertmanager and Jaeger, as far as this machine has them. Whatever is the matter with one of them is said, and
 * keeps nothing else from starting.
 */
export class Monitoring implements AsyncDisposable {
  readonly #servers: PresentServers;
  readonly #signal: AbortSignal;
  readonly #fleet = new Fleet();
  readonly #up = new Set<Server>();
  readonly #starting: Promise<unknown>;
  readonly #jaegerStarting: Promise<void>;

  private constructor(servers: PresentServers, signal: AbortSignal) {
    this.#servers = servers;
    this.#signal = signal;
    const { jaeger, alertmanager, prometheus } = servers;
    this.#jaegerStarting = this.#bringUp(jaeger);
    this.#starting = Promise.all([this.#bringUp(alertmanager), this.#bringUp(prometheus)]);
  }

  /** Begins to start what there is. @param signal gives up waiting for it */
  static async begin(options: PresentOptions, signal: AbortSignal): Promise<Monitoring> {
    return new Monitoring(await presentServers(options), signal);
  }

  get urls(): MonitoringUrls {
    const { prometheus, alertmanager, jaeger } = this.#servers;
    const urlOf = (server: Server | undefined): string | null =>
      server !== undefined && this.#up.has(server) ? server.url : null;
    return { prometheus: urlOf(prometheus), alertmanager: urlOf(alertmanager), jaeger: urlOf(jaeger) };
  }

  /** Resolves when those that this machine has listen, ready or not, or do not start. @returns where they are */
  async watchers(): Promise<MonitoringUrls> {
    const urlOf = async (server: WatchServer | undefined): Promise<string | null> => {
      if (server === undefined) return null;
      await Promise.race([server.bound, this.#starting]);
      return server.isBound ? server.url : null;
    };
    const { prometheus, alertmanager } = this.#servers;
    return { prometheus: await urlOf(prometheus), alertmanager: await urlOf(alertmanager), jaeger: null };
  }

  /** Has them told of the parts that have told where they are since. */
  async update(): Promise<void> {
    await this.#starting;
    const { prometheus, alertmanager } = this.#servers;
    for (const server of [prometheus, alertmanager]) {
      if (server === undefined || !this.#up.has(server) || this.#signal.aborted) continue;
      await server.update().catch((error: Error) => warn(`going on, though ${error.message}`));
    }
  }

  /** Resolves when it is known whether there is a Jaeger. @returns where it takes traces */
  async otlpUrl(): Promise<string | undefined> {
    await this.#jaegerStarting;
    return this.urls.jaeger === null ? undefined : this.#servers.otlpUrl();
  }

  /** Resolves when Prometheus has scraped everything since this was called, so that what is counted next is seen to rise. */
  async untilScraped(): Promise<void> {
    await this.update();
    const { prometheus } = this.#servers;
    if (prometheus === undefined || !this.#up.has(prometheus)) return;
    const { url, targets } = prometheus;
    const left = await untilScraped({
      ...{ url, targets },
      timeoutMs: SCRAPE_TIMEOUT_MS,
      signal: this.#signal,
    });
    if (left.length === 0 || this.#signal.aborted) return;
    warn(`going on, though Prometheus has not scraped everything: ${left.join("; ")}`);
  }

  async #bringUp(server: Server | undefined): Promise<void> {
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
