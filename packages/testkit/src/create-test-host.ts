import {
  connectHostBus,
  connectHostStore,
  type Host,
  loadIdentity,
  processMetrics,
  type StoreHost,
  type Transport,
} from "@scbe/bus";
import { ACCESS, ROLES } from "@scbe/contracts";
import { type Clock, createReadiness, systemClock } from "@scbe/runtime";
import { Registry } from "prom-client";
import { type CollectedLogs, collectLogs } from "./collect-logs.ts";
import type { SecuredNats } from "./start-secured-nats.ts";

export interface TestHostOptions {
  /** Where NATS is and who to be there; `{servers: [nats.url]}` on an open server. */
  readonly transport: Transport;
  /** Of the connection, as the process would be named. */
  readonly name: string;
  readonly clock?: Clock;
  readonly version?: string;
  readonly drainTimeoutMs?: number;
}

export interface TestHost extends Host, AsyncDisposable {
  readonly metrics: Registry;
  readonly logs: CollectedLogs;
  /** What TERM does to a process: {@link Host.signal} aborts. */
  stop(): void;
}

/** A {@link StoreHost}, to run a service with state inside the test's own process. */
export interface TestStoreHost extends TestHost, StoreHost {
  readonly metrics: Registry;
}

/** The account of each service that keeps state, by the service's name. */
const ACCOUNTS = new Map(
  ROLES.flatMap((role) => (ACCESS[role].keeps ? [[role as string, ACCESS[role].keeps]] : [])),
);

/** Connects as the service `name` of a deployment, to the bus and to the account of its store. */
export async function createStoreHost(
  nats: Pick<SecuredNats, "transport" | "storeTransport">,
  name: string,
  options: Omit<TestHostOptions, "transport" | "name"> = {},
): Promise<TestStoreHost> {
  const account = ACCOUNTS.get(name);
  if (account === undefined) throw new Error(`${name} keeps no state`);
  const host = await createTestHost({ transport: nats.transport(name), name, ...options });
  const { log, readiness } = host;
  const store = await connectHostStore({ ...nats.storeTransport(account), log, readiness });
  return Object.defineProperties(
    { store },
    {
      ...Object.getOwnPropertyDescriptors(host),
      [Symbol.asyncDispose]: {
        value: async () => {
          await host[Symbol.asyncDispose]();
          await store[Symbol.asyncDispose]();
        },
      },
    },
  ) as TestStoreHost;
}

/** A {@link Host} against a real server, to run a service inside the test's own process. */
export async function createTestHost(options: TestHostOptions): Promise<TestHost> {
  const { transport, name, clock = systemClock, version = "0.0.0", drainTimeoutMs = 5000 } = options;
  const logs = collectLogs({ name });
  const readiness = createReadiness(clock);
  const stopping = new AbortController();
  const metrics = new Registry();
  const shown = processMetrics({ metrics, name, version, readiness, clock });
  const bus = await connectHostBus({ ...transport, name, log: logs.log, drainTimeoutMs, readiness, metrics });
  shown.follow(bus);
  return {
    name,
    version,
    log: logs.log,
    logs,
    clock,
    metrics,
    readiness,
    bus,
    identity: loadIdentity(transport),
    signal: stopping.signal,
    stop: () => stopping.abort(),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await bus[Symbol.asyncDispose]();
      await shown[Symbol.asyncDispose]();
    },
  };
}
