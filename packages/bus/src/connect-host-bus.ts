import type { Readiness } from "@scbe/runtime";
import type { Bus } from "./bus.ts";
import {
  type ConnectOptions,
  connectBus,
  connectStore,
  type StoreConnectOptions,
} from "./nats/connect-bus.ts";
import type { StoreBus } from "./store-bus.ts";

export interface HostBusOptions extends Omit<ConnectOptions, "onSubscriptionRefused" | "onLinkRefused"> {
  readonly readiness: Readiness;
}

/**
 * A bus whose connection is the dependency `nats` of a process; a subscription that the server refuses shows as
 * `nats permissions`, and stays away until the process is started with the right ones.
 */
export async function connectHostBus({ readiness, ...options }: HostBusOptions): Promise<Bus> {
  readiness.declare("nats");
  const bus = await connectBus({
    ...options,
    onLinkRefused: (reason) => readiness.set("nats", { ok: false, reason }),
    onSubscriptionRefused: (subject) =>
      readiness.set("nats permissions", { ok: false, reason: `may not subscribe to ${subject}` }),
  });
  show(bus, "nats", readiness);
  return bus;
}

export interface HostStoreOptions extends Omit<StoreConnectOptions, "onLinkRefused"> {
  readonly readiness: Readiness;
}

/** A store whose connection is the dependency `store` of a process: while it is down a service leaves its queue groups. */
export async function connectHostStore({ readiness, ...options }: HostStoreOptions): Promise<StoreBus> {
  readiness.declare("store");
  const store = await connectStore({
    ...options,
    onLinkRefused: (reason) => readiness.set("store", { ok: false, reason }),
  });
  show(store, "store", readiness);
  return store;
}

function show(link: Pick<Bus, "connected" | "onConnection">, name: string, readiness: Readiness): void {
  const set = (connected: boolean): void =>
    readiness.set(name, connected ? { ok: true } : { ok: false, reason: "the connection is down" });
  set(link.connected);
  link.onConnection(set);
}
