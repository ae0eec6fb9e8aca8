import type { Clock, Logger, MetricsRegistry, Readiness } from "@scbe/runtime";
import type { Bus, BusService } from "./bus.ts";
import type { Identity } from "./identity.ts";
import { type ConnectOptions, connectBus, connectStore, type StoreConnectOptions } from "./nats/connect.ts";
import type { StoreBus } from "./store-bus.ts";

/** What a process gives its service: everything from outside that it uses. */
export interface Host {
  readonly name: string;
  readonly version: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Served on `/metrics`; the metrics of the table register themselves here (`counter`, `histogram`, `gauge`). */
  readonly metrics: MetricsRegistry;
  /** Served on `/readyz`. The connection of the bus is declared already, as `nats`. */
  readonly readiness: Readiness;
  readonly bus: Bus;
  /** `undefined` on an open server. */
  readonly identity: Identity | undefined;
  /** Aborts when the process is to stop. */
  readonly signal: AbortSignal;
}

/** The host of a service with state: it also has the connection to the account of the service's store. */
export interface StoreHost extends Host {
  readonly store: StoreBus;
}

export interface HostBusOptions extends Omit<ConnectOptions, "onSubscriptionRefused" | "onLinkRefused"> {
  readonly readiness: Readiness;
}

/**
 * A bus whose connection is the dependency `nats` of the process. If the server refuses a subscription, the dependency `nats permissions` is
 * unavailable until the process restarts with the right permissions.
 */
export async function connectHostBus({ readiness, ...options }: HostBusOptions): Promise<Bus> {
  readiness.declare("nats");
  const bus = await connectBus({
    ...options,
    onLinkRefused: (reason) => readiness.set("nats", { ok: false, reason }),
    onSubscriptionRefused: (subject) =>
      readiness.set("nats permissions", { ok: false, reason: `may not subscribe to ${subject}` }),
  });
  followConnection(bus, "nats", readiness);
  return bus;
}

export interface HostStoreOptions extends Omit<StoreConnectOptions, "onLinkRefused"> {
  readonly readiness: Readiness;
}

/** A store whose connection is the dependency `store` of the process: while it is down, the service leaves its queue groups. */
export async function connectHostStore({ readiness, ...options }: HostStoreOptions): Promise<StoreBus> {
  readiness.declare("store");
  const store = await connectStore({
    ...options,
    onLinkRefused: (reason) => readiness.set("store", { ok: false, reason }),
  });
  followConnection(store, "store", readiness);
  return store;
}

/**
 * Keeps a service in its queue groups exactly while the process is ready, so that requests go to other members, or fail with `no responders` at
 * once. Disposing stops that, and leaves the service as it is.
 */
export function followReadiness(service: BusService, readiness: Readiness): Disposable {
  const follow = (ready: boolean): void => {
    if (ready) void service.join();
    else void service.leave();
  };
  follow(readiness.ready);
  return readiness.onChange(follow);
}

function followConnection(
  link: Pick<Bus, "connected" | "onConnection">,
  name: string,
  readiness: Readiness,
): void {
  const set = (connected: boolean): void =>
    readiness.set(name, connected ? { ok: true } : { ok: false, reason: "the connection is down" });
  set(link.connected);
  link.onConnection(set);
}
