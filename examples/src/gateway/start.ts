import { countExportFailures } from "@scbe/bus";
import { type Client, connect } from "@scbe/client";
import { createReadiness, type Readiness } from "@scbe/runtime";
import { createLogger, createRegistry, reportListening, startOpsServer, startTracing } from "@scbe/service";
import { answerChat } from "./call-provider.ts";
import { type GatewayConfig, targetOf } from "./config.ts";

const VERSION = "0.1.0";

/** Starts a gateway; resolves when it serves. Disposal answers the requests at work and leaves the bus. */
export async function start(config: GatewayConfig, signal: AbortSignal): Promise<AsyncDisposable> {
  const provider = config.SCBE_GATEWAY_PROVIDER;
  const name = `gateway-${provider}`;
  const log = createLogger({ name, level: config.LOG_LEVEL });
  const target = targetOf(config);
  await using stack = new AsyncDisposableStack();
  const metrics = createRegistry();
  const onExportFailure = countExportFailures(metrics);
  stack.use(await startTracing({ name, version: VERSION, log, onExportFailure }));
  const own = createReadiness();
  own.declare("serving");
  let client: Client | undefined;
  const readiness = joined(own, () => client?.readiness);
  const { SCBE_OPS_HOST: host, SCBE_OPS_PORT: port, SCBE_METRICS_TOKEN: metricsToken } = config;
  const ops = stack.use(await startOpsServer({ host, port, metrics, readiness, metricsToken }));
  reportListening("ops", ops.port);
  log.info({ opsPort: ops.port }, "starting");

  client = stack.use(await connect({ name, role: "gateway", providers: [provider], log, metrics, signal }));
  await client.serve({
    provider,
    handler: answerChat(target),
    drainMs: config.SCBE_DRAIN_TIMEOUT_MS,
  });
  own.set("serving", { ok: true });
  stack.defer(() => own.set("serving", { ok: false, reason: "stopping" }));
  log.info({ provider, calls: target.calls }, "serving");
  return stack.move();
}

/** The readiness of the process and, once it exists, of its client. */
function joined(own: Readiness, client: () => Readiness | undefined): Readiness {
  return {
    ...own,
    get ready() {
      return own.ready && client()?.ready === true;
    },
    report: () => [...own.report(), ...(client()?.report() ?? [])],
  };
}
