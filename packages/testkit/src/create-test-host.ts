import {
  type Clock,
  connectHostBus,
  createReadiness,
  type Host,
  loadIdentity,
  type OpsServer,
  Registry,
  showProcess,
  startOpsServer,
  systemClock,
  type Transport,
} from "@scbe/service-kit";
import { type CollectedLogs, collectLogs } from "./collect-logs.ts";

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
  readonly logs: CollectedLogs;
  /** Where the ops port is: on it from the first {@link Host.ops} mount. 0 before. */
  readonly opsPort: number;
  /** What TERM does to a process: {@link Host.signal} aborts. */
  stop(): void;
}

/** A {@link Host} against a real server, to run a service inside the test's own process. */
export async function createTestHost(options: TestHostOptions): Promise<TestHost> {
  const { transport, name, clock = systemClock, version = "0.0.0", drainTimeoutMs = 5000 } = options;
  const logs = collectLogs({ name });
  const readiness = createReadiness(clock);
  const stopping = new AbortController();
  const metrics = new Registry();
  const shown = showProcess({ metrics, name, version, readiness, clock });
  const bus = await connectHostBus({ ...transport, name, log: logs.log, drainTimeoutMs, readiness, metrics });
  shown.follow(bus);
  let opsServer: OpsServer | undefined;
  return {
    name,
    version,
    log: logs.log,
    logs,
    clock,
    metrics,
    readiness,
    ops: {
      mount: async (routes) => {
        opsServer ??= await startOpsServer({ host: "127.0.0.1", port: 0, metrics, readiness });
        return opsServer.mount(routes);
      },
    },
    get opsPort() {
      return opsServer?.port ?? 0;
    },
    bus,
    identity: loadIdentity(transport),
    signal: stopping.signal,
    stop: () => stopping.abort(),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await opsServer?.[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
      await shown[Symbol.asyncDispose]();
    },
  };
}
