import { setTimeout as delay } from "node:timers/promises";
import type { Logger, MetricsRegistry } from "@scbe/runtime";
import { type EndpointMetrics, endpointMetrics } from "@scbe/runtime";
import type { Msg, NatsConnection, Subscription } from "nats";
import type { BusService, ServiceDefinition } from "../bus.ts";
import { Endpoint, type EndpointPorts } from "./endpoint.ts";
import { ServiceDiscovery } from "./service-discovery.ts";

export interface NatsServicePorts {
  readonly log: Logger;
  readonly drainTimeoutMs: number;
  readonly metrics?: MetricsRegistry | undefined;
  readonly respond: EndpointPorts["respond"];
  /** It has ended: nobody needs to dispose of it any more. */
  onDisposed(): void;
}

/**
 * Endpoints in a queue group, announced as a NATS service (ADR-32). The framework of the client library is not used: it answers
 * `$SRV` requests wherever their reply subject says.
 */
export class NatsService implements BusService {
  readonly #connection: NatsConnection;
  readonly #definition: ServiceDefinition;
  readonly #ports: NatsServicePorts;
  readonly #endpoints: readonly Endpoint[];
  readonly #discovery: ServiceDiscovery;
  readonly #shown: EndpointMetrics | undefined;
  readonly #tooLate = new AbortController();
  #wanted = false;
  #disposing: Promise<void> | undefined;
  #running: ReadonlySet<Subscription> | undefined;
  /** Joining and leaving, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(connection: NatsConnection, definition: ServiceDefinition, ports: NatsServicePorts) {
    this.#connection = connection;
    this.#definition = definition;
    this.#ports = ports;
    const { log, respond, metrics } = ports;
    const names = definition.endpoints.map(({ name }) => name);
    this.#shown = metrics && endpointMetrics(metrics, names, () => this.#endpoints);
    const turnedAway = (endpoint: string): void => this.#shown?.turnedAway(endpoint);
    const heldDropped = (endpoint: string): void => this.#shown?.heldDropped(endpoint);
    const { signal } = this.#tooLate;
    const endpointPorts = { log, queue: definition.queue, signal, respond, turnedAway, heldDropped };
    this.#endpoints = definition.endpoints.map((endpoint) => new Endpoint(endpoint, endpointPorts));
    this.#discovery = new ServiceDiscovery(definition, this.#endpoints, { log, respond });
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

  /** Leaves, waits for what is in flight or held back; past the deadline aborts the one and drops the other. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose().finally(() => this.#ports.onDisposed());
    return this.#disposing;
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
    for (const endpoint of this.#endpoints) endpoint.dropHeld();
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

  /** Subscribes to everything, and is in once the server has answered; a subscription that it refuses ends all of them. */
  async #enter(): Promise<void> {
    const { name, queue } = this.#definition;
    const running = new Set<Subscription>();
    const onRefused = (error: Error): void => this.#stopped(running, error);
    for (const endpoint of this.#endpoints) {
      const callback = (error: Error | null, message: Msg): void =>
        error === null ? endpoint.receive(message) : onRefused(error);
      running.add(this.#connection.subscribe(endpoint.definition.subject, { queue, callback }));
    }
    for (const subscription of this.#discovery.subscribe(this.#connection, onRefused))
      running.add(subscription);
    this.#running = running;
    await this.#connection.flush();
    this.#ports.log.debug({ service: name, queue }, "joined");
  }

  #stopped(running: ReadonlySet<Subscription>, error: Error): void {
    if (this.#running !== running) return;
    this.#running = undefined;
    for (const subscription of running) subscription.unsubscribe();
    this.#ports.log.error({ service: this.#definition.name, err: error }, "the service was stopped");
  }

  /** Resolves when the server has seen every subscription end; handlers may still be at work. */
  async #exit(running: ReadonlySet<Subscription>): Promise<void> {
    this.#running = undefined;
    if (!this.#connection.isClosed())
      await Promise.all([...running].map((subscription) => subscription.drain()));
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
