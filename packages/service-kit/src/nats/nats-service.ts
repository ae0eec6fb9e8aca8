import { setTimeout as delay } from "node:timers/promises";
import type { NatsConnection, Service } from "nats";
import type { BusService, ServiceDefinition } from "../bus.ts";
import type { Logger } from "../logger.ts";
import type { Registry } from "../metrics/registry.ts";
import { type ShownEndpoints, showEndpoints } from "../metrics/show-endpoints.ts";
import { Endpoint, type EndpointPorts } from "./endpoint.ts";

export interface NatsServicePorts {
  readonly log: Logger;
  readonly drainTimeoutMs: number;
  readonly metrics?: Registry | undefined;
  readonly respond: EndpointPorts["respond"];
  /** It has ended: nobody needs to dispose of it any more. */
  onDisposed(): void;
}

/** A service on the NATS services framework (ADR-32), which leaves its queue groups by stopping there. */
export class NatsService implements BusService {
  readonly #connection: NatsConnection;
  readonly #definition: ServiceDefinition;
  readonly #ports: NatsServicePorts;
  readonly #endpoints: readonly Endpoint[];
  readonly #shown: ShownEndpoints | undefined;
  readonly #tooLate = new AbortController();
  #wanted = false;
  #disposing: Promise<void> | undefined;
  #running: Service | undefined;
  /** Joining and leaving, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(connection: NatsConnection, definition: ServiceDefinition, ports: NatsServicePorts) {
    this.#connection = connection;
    this.#definition = definition;
    this.#ports = ports;
    const { log, respond, metrics } = ports;
    const names = definition.endpoints.map(({ name }) => name);
    this.#shown = metrics && showEndpoints(metrics, names, () => this.#atWork());
    const turnedAway = (endpoint: string): void => this.#shown?.turnedAway(endpoint);
    const { signal } = this.#tooLate;
    const endpointPorts = { log, queue: definition.queue, signal, respond, turnedAway };
    this.#endpoints = definition.endpoints.map((endpoint) => new Endpoint(endpoint, endpointPorts));
  }

  get joined(): boolean {
    return this.#running !== undefined;
  }

  get inFlight(): number {
    return this.#endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);
  }

  join(): Promise<void> {
    if (this.#disposing !== undefined) return Promise.resolve();
    this.#wanted = true;
    return this.#takeTurn();
  }

  leave(): Promise<void> {
    this.#wanted = false;
    return this.#takeTurn();
  }

  /** Leaves, waits for what is in flight, and past the deadline aborts it. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose().finally(() => this.#ports.onDisposed());
    return this.#disposing;
  }

  #atWork(): [string, number][] {
    return this.#endpoints.map(({ definition, inFlight }) => [definition.name, inFlight]);
  }

  async #dispose(): Promise<void> {
    await this.#drain();
    this.#shown?.[Symbol.dispose]();
  }

  async #drain(): Promise<void> {
    const { log, drainTimeoutMs } = this.#ports;
    const answered = this.leave().then(() => Promise.all(this.#endpoints.map((endpoint) => endpoint.idle())));
    if (await settles(answered, drainTimeoutMs)) return;
    log.warn({ service: this.#definition.name, inFlight: this.inFlight }, "draining took too long");
    this.#tooLate.abort();
    await settles(answered, ABORT_GRACE_MS);
  }

  #takeTurn(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#reconcile());
    return this.#turn;
  }

  async #reconcile(): Promise<void> {
    try {
      if (this.#wanted && this.#running === undefined) await this.#enter();
      else if (!this.#wanted && this.#running !== undefined) await this.#exit(this.#running);
    } catch (error) {
      this.#ports.log.error(
        { service: this.#definition.name, err: error },
        "could not join or leave the queue groups",
      );
    }
  }

  async #enter(): Promise<void> {
    const { name, version, description, queue } = this.#definition;
    const running = await this.#connection.services.add({ name, version, description, queue });
    this.#running = running;
    for (const endpoint of this.#endpoints) {
      running.addEndpoint(endpoint.definition.name, {
        subject: endpoint.definition.subject,
        handler: (_error, message) => endpoint.receive(message),
      });
    }
    void running.stopped.then((error) => this.#stopped(running, error));
    this.#ports.log.debug({ service: name, queue }, "joined");
  }

  /** The framework ends a service whose subscription the server refuses; nobody else would say so. */
  #stopped(running: Service, error: Error | null): void {
    if (this.#running !== running) return;
    this.#running = undefined;
    if (error !== null)
      this.#ports.log.error({ service: this.#definition.name, err: error }, "the service was stopped");
  }

  /** The framework's stop resolves when the server has seen every subscription end; handlers may still be at work. */
  async #exit(running: Service): Promise<void> {
    this.#running = undefined;
    await running.stop();
    this.#ports.log.debug({ service: this.#definition.name }, "left");
  }
}

const ABORT_GRACE_MS = 500;

/** True when `work` settles within the time. */
async function settles(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(timeoutMs, false, { signal: timer.signal }).catch(() => false);
  const done = work.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([done, late]);
  timer.abort();
  return result;
}
