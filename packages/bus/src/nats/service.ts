import { setTimeout as delay } from "node:timers/promises";
import { counter, type Logger, type MetricsRegistry, watchGauge } from "@scbe/runtime";
import type { Msg, NatsConnection, Subscription } from "nats";
import type { BusService, ServiceDefinition } from "../bus.ts";
import { Endpoint, type EndpointPorts } from "./endpoint.ts";
import { ServiceDiscovery } from "./service-discovery.ts";

export interface NatsServicePorts {
  readonly log: Logger;
  readonly drainTimeoutMs: number;
  readonly metrics?: MetricsRegistry | undefined;
  readonly respond: EndpointPorts["respond"];
  /** The service has disposed itself. */
  onDisposed(): void;
}

/**
 * Endpoints in a queue group, announced as a NATS service (ADR-32). It does not use the client library's framework, which answers `$SRV` requests to
 * any reply subject.
 */
export class NatsService implements BusService {
  readonly #connection: NatsConnection;
  readonly #definition: ServiceDefinition;
  readonly #ports: NatsServicePorts;
  readonly #endpoints: readonly Endpoint[];
  readonly #discovery: ServiceDiscovery;
  readonly #metrics: EndpointMetrics | undefined;
  readonly #draining = new AbortController();
  #wanted = false;
  #disposing: Promise<void> | undefined;
  #running: ReadonlySet<Subscription> | undefined;
  /** Joining and leaving run one after the other. */
  #reconciling: Promise<void> = Promise.resolve();

  constructor(connection: NatsConnection, definition: ServiceDefinition, ports: NatsServicePorts) {
    this.#connection = connection;
    this.#definition = definition;
    this.#ports = ports;
    const { log, respond, metrics } = ports;
    const names = definition.endpoints.map(({ name }) => name);
    this.#metrics = metrics && endpointMetrics(metrics, names, () => this.#endpoints);
    const turnedAway = (endpoint: string): void => this.#metrics?.turnedAway(endpoint);
    const heldDropped = (endpoint: string): void => this.#metrics?.heldDropped(endpoint);
    const { signal } = this.#draining;
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
    return this.#requestReconcile();
  }

  leave(): Promise<void> {
    this.#wanted = false;
    return this.#requestReconcile();
  }

  /** Leaves, and waits for requests in flight and held answers; after the deadline it aborts the former and drops the latter. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose().finally(() => this.#ports.onDisposed());
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await this.#drain();
    this.#metrics?.[Symbol.dispose]();
  }

  async #drain(): Promise<void> {
    const { log, drainTimeoutMs } = this.#ports;
    const answered = this.leave().then(() => Promise.all(this.#endpoints.map((endpoint) => endpoint.idle())));
    if (await settles(answered, drainTimeoutMs)) return;
    log.warn({ service: this.#definition.name, inFlight: this.inFlight }, "draining took too long");
    this.#draining.abort();
    await settles(answered, ABORT_GRACE_MS);
    for (const endpoint of this.#endpoints) endpoint.dropHeld();
  }

  #requestReconcile(): Promise<void> {
    this.#reconciling = this.#reconciling.then(() => this.#reconcile());
    return this.#reconciling;
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

  /** Subscribes to everything; it has joined once the server has answered. A refused subscription ends all of them. */
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

  /** Resolves when every subscription has ended at the server; handlers may still be running. */
  async #exit(running: ReadonlySet<Subscription>): Promise<void> {
    this.#running = undefined;
    if (!this.#connection.isClosed())
      await Promise.all([...running].map((subscription) => subscription.drain()));
    this.#ports.log.debug({ service: this.#definition.name }, "left");
  }
}

/** The metrics of a service's endpoints; disposing ends the gauges. */
interface EndpointMetrics extends Disposable {
  turnedAway(endpoint: string): void;
  heldDropped(endpoint: string): void;
}

function endpointMetrics(
  metrics: MetricsRegistry,
  names: readonly string[],
  endpoints: () => readonly Endpoint[],
): EndpointMetrics {
  const busy = counter(metrics, "scbe_endpoint_busy_total", { endpoint: names });
  const dropped = counter(metrics, "scbe_endpoint_held_answers_dropped_total", { endpoint: names });
  const read = (field: "inFlight" | "held") => () =>
    endpoints().map((endpoint) => [{ endpoint: endpoint.definition.name }, endpoint[field]] as const);
  const stack = new DisposableStack();
  stack.use(watchGauge(metrics, "scbe_endpoint_in_flight", read("inFlight")));
  stack.use(watchGauge(metrics, "scbe_endpoint_held_answers", read("held")));
  return {
    turnedAway: (endpoint) => busy.inc({ endpoint }),
    heldDropped: (endpoint) => dropped.inc({ endpoint }),
    [Symbol.dispose]: () => stack.dispose(),
  };
}

const ABORT_GRACE_MS = 500;

/** True if `work` settles within the time. */
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
