import { createWriteStream } from "node:fs";
import { countExportFailures } from "@scbe/bus";
import { type Client, connect } from "@scbe/client";
import type { Stack } from "@scbe/local-stack/stack";
import { createReadiness, type Logger, type Readiness } from "@scbe/runtime";
import { createLogger, createRegistry, startOpsServer, startTracing } from "@scbe/service";

/** This process's own user of the bus: an orchestrator with an ops port and traces. */
export interface Orchestrator extends AsyncDisposable {
  /** The address of `/healthz`, `/readyz` and `/metrics`. */
  readonly opsUrl: string;
  readonly log: Logger;
  /** Connects it; disposing of the result disconnects it. @throws ScbeError */
  connect(stack: Stack, signal: AbortSignal): Promise<ConnectedOrchestrator>;
}

export interface ConnectedOrchestrator extends AsyncDisposable {
  readonly client: Client;
}

const NAME = "orchestrator";
const VERSION = "0.1.0";

/** Opens its ops port. Prometheus can scrape it before the connection. */
export async function openOrchestrator(level: string, logFile: string): Promise<Orchestrator> {
  const destination = createWriteStream(logFile, { flags: "a", mode: 0o600 });
  const log = createLogger({ name: NAME, level, destination });
  const metrics = createRegistry();
  const own = createReadiness();
  own.declare("client");
  let client: Client | undefined;
  const readiness: Readiness = {
    ...own,
    get ready() {
      return client?.readiness.ready === true;
    },
    report: () => client?.readiness.report() ?? own.report(),
  };
  const ops = await startOpsServer({ host: "127.0.0.1", port: 0, metrics, readiness });
  return {
    opsUrl: `http://127.0.0.1:${ops.port}`,
    log,
    connect: async (stack, signal) => {
      await using held = new AsyncDisposableStack();
      const onExportFailure = countExportFailures(metrics);
      useEnvironment(stack.tracing);
      held.use(await startTracing({ name: NAME, version: VERSION, log, onExportFailure }));
      const { variables } = stack;
      const transport = stack.transport(NAME);
      client = held.use(await connect({ name: NAME, transport, variables, log, metrics, signal }));
      held.defer(() => {
        client = undefined;
      });
      const connected = held.move();
      return { client, [Symbol.asyncDispose]: () => connected.disposeAsync() };
    },
    [Symbol.asyncDispose]: () => ops[Symbol.asyncDispose](),
  };
}

/** The SDK reads its variables only from this process's environment. */
function useEnvironment(tracing: Readonly<Record<string, string>>): void {
  delete process.env.OTEL_SERVICE_NAME;
  Object.assign(process.env, tracing);
}
