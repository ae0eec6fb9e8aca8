import type { Bus } from "./bus.ts";
import { type ConnectOptions, connectBus } from "./nats/connect-bus.ts";
import type { Readiness } from "./readiness.ts";

export interface HostBusOptions extends Omit<ConnectOptions, "onSubscriptionRefused"> {
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
    onSubscriptionRefused: (subject) =>
      readiness.set("nats permissions", { ok: false, reason: `may not subscribe to ${subject}` }),
  });
  const set = (connected: boolean): void =>
    readiness.set("nats", connected ? { ok: true } : { ok: false, reason: "the connection is down" });
  set(bus.connected);
  bus.onConnection(set);
  return bus;
}
