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
import { type Clock, createReadiness, type Logger, systemClock } from "@scbe/runtime";
import { createLogger } from "@scbe/service";
import { Registry } from "prom-client";
import type { SecuredNats } from "./start-secured-nats.ts";

export interface TestHostOptions {
  /** The servers and the credentials; `{servers: [nats.url]}` on an open server. */
  readonly transport: Transport;
  /** The name of the process, and of its connection. */
  readonly name: string;
  readonly clock?: Clock;
  readonly version?: string;
  readonly drainTimeoutMs?: number;
}

export interface TestHost extends Host, AsyncDisposable {
  readonly metrics: Registry;
  readonly logs: CollectedLogs;
  /** Aborts {@link Host.signal}, as TERM does in a process. */
  stop(): void;
}

/** A {@link StoreHost} on a real server, for a service with state in the test's own process. */
export interface TestStoreHost extends TestHost, StoreHost {
  readonly metrics: Registry;
}

/** The account of each service that keeps state, by the service's name. */
const ACCOUNTS = new Map(
  ROLES.flatMap((role) => (ACCESS[role].keeps ? [[role as string, ACCESS[role].keeps]] : [])),
);

/** Connects as the service `name`, to the bus and to the account of its store. */
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

/** A {@link Host} on a real server, for a service in the test's own process. */
export async function createTestHost(options: TestHostOptions): Promise<TestHost> {
  const { transport, name, clock = systemClock, version = "0.0.0", drainTimeoutMs = 5000 } = options;
  const logs = collectLogs({ name });
  const readiness = createReadiness(clock);
  const stopping = new AbortController();
  const metrics = new Registry();
  const following = processMetrics({ metrics, name, version, readiness, clock });
  const bus = await connectHostBus({ ...transport, name, log: logs.log, drainTimeoutMs, readiness, metrics });
  following.follow(bus);
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
      await following[Symbol.asyncDispose]();
    },
  };
}

/** One log line, parsed. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg?: string };

export interface CollectedLogs {
  /** Writes to memory only. */
  readonly log: Logger;
  readonly lines: readonly LogLine[];
  /** All lines as written. */
  readonly text: string;
}

/** A service's logger that keeps its lines in memory. */
export function collectLogs({ name = "test", level = "trace" } = {}): CollectedLogs {
  const written: string[] = [];
  const log = createLogger({ name, level, destination: { write: (line) => void written.push(line) } });
  return {
    log,
    get lines() {
      return written.map((line) => JSON.parse(line) as LogLine);
    },
    get text() {
      return written.join("");
    },
  };
}
