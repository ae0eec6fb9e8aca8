import {
  connectHostBus,
  connectHostStore,
  countExportFailures,
  type Host,
  loadIdentity,
  type opsVariables,
  processMetrics,
  type StoreHost,
  storeTransportOf,
  type storeVariables,
  transportOf,
  type transportVariables,
} from "@scbe/bus";
import { isScbeError, type StoreAccount } from "@scbe/contracts";
import {
  type ConfigOf,
  type ConfigSpec,
  createReadiness,
  type Logger,
  readConfig,
  systemClock,
  type Variables,
} from "@scbe/runtime";
import { createLogger } from "./logger.ts";
import { createRegistry, startOpsServer } from "./ops-server.ts";
import { aborted, EXIT_CODES, exitCodeOf, reportListening, stopSignal } from "./process.ts";
import { startTracing } from "./start-tracing.ts";

/** The variables that every service reads. */
export type HostVariables = Variables & typeof transportVariables & ReturnType<typeof opsVariables>;
type HostConfig = ConfigOf<typeof transportVariables & ReturnType<typeof opsVariables>>;
type StoreConfig = HostConfig & ConfigOf<typeof storeVariables>;

export interface ServiceProgram<V extends HostVariables, H extends Host = Host> {
  /** The service's name: of its NATS connection, inbox and log lines. */
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  readonly config: ConfigSpec<V>;
  /** Starts the service; its result is the first to be disposed of when the process stops. */
  start(config: ConfigOf<V>, host: H): Promise<AsyncDisposable>;
}

/** A service that keeps state in an account of its own. */
export interface StoreServiceProgram<V extends HostVariables & typeof storeVariables>
  extends ServiceProgram<V, StoreHost> {
  readonly account: StoreAccount;
}

/**
 * Runs one service as this process: configuration, log, tracing, ops port, bus, service. Then waits for TERM, INT, HUP or the end of the parent (IPC
 * `disconnect`), and disposes of them in reverse order. Exits with 0 if stopped, 1 if failed, 78 if misconfigured, also in a file that a variable
 * names.
 *
 * @example
 * await runService({ name: "keyring", version: "1.0.0", config, start });
 */
export async function runService<V extends HostVariables>(program: ServiceProgram<V>): Promise<void> {
  await run(program, async (config, host, stack) => {
    stack.use(await program.start(config, host));
  });
}

/**
 * Runs a service that keeps state; otherwise as {@link runService}.
 *
 * @example
 * await runStoreService({ name: "keyring", version: "1.0.0", account: "keyring", config, start });
 */
export async function runStoreService<V extends HostVariables & typeof storeVariables>(
  program: StoreServiceProgram<V>,
): Promise<void> {
  await run(program, async (config, host, stack) => {
    const { log, readiness, signal } = host;
    const transport = storeTransportOf(config as ConfigOf<V> & StoreConfig, program.account);
    const store = stack.use(await connectHostStore({ ...transport, log, readiness, signal }));
    stack.use(await program.start(config, { ...host, store }));
  });
}

/** Starts the service itself on its host. */
type Start<V extends HostVariables> = (
  config: ConfigOf<V>,
  host: Host,
  stack: AsyncDisposableStack,
) => Promise<void>;

type Program<V extends HostVariables> = Pick<ServiceProgram<V>, "name" | "version" | "config">;

async function run<V extends HostVariables>(program: Program<V>, start: Start<V>): Promise<void> {
  const signal = stopSignal();
  const reading = readConfig(program.config, process.env);
  if (!reading.ok) {
    process.stderr.write(misconfigured(program.name, reading.problems));
    process.exit(EXIT_CODES.misconfigured);
  }
  const config = reading.config as ConfigOf<V> & HostConfig;
  const log = createLogger({ name: program.name, level: config.LOG_LEVEL });
  endOnDefects(log);
  try {
    await runUntilStopped(program, start, config, log, signal);
    log.info("stopped");
    process.exit(EXIT_CODES.stopped);
  } catch (error) {
    if (signal.aborted && isScbeError(error, "ABORTED")) process.exit(EXIT_CODES.stopped);
    logReason(error, log);
    process.exit(exitCodeOf(error));
  }
}

/** Logs an expected error without a stack trace. */
function logReason(error: unknown, log: Logger): void {
  if (!isScbeError(error) || error.code === "INTERNAL") {
    log.fatal({ err: error }, "cannot go on");
    return;
  }
  const { code, message, cause } = error;
  log.fatal({ code, ...(cause instanceof Error && { cause: cause.message }) }, `cannot go on: ${message}`);
}

async function runUntilStopped<V extends HostVariables>(
  program: Program<V>,
  start: Start<V>,
  config: ConfigOf<V> & HostConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { name, version } = program;
  await using stack = new AsyncDisposableStack();
  const metrics = createRegistry();
  const onExportFailure = countExportFailures(metrics);
  stack.use(await startTracing({ name, version, log, onExportFailure }));
  const readiness = createReadiness();
  readiness.declare("service");
  const clock = systemClock;
  const processGauges = stack.use(processMetrics({ metrics, name, version, readiness, clock }));
  const ops = stack.use(
    await startOpsServer({
      host: config.SCBE_OPS_HOST,
      port: config.SCBE_OPS_PORT,
      metricsToken: config.SCBE_METRICS_TOKEN,
      metrics,
      readiness,
    }),
  );
  reportListening("ops", ops.port);
  log.info({ version, opsPort: ops.port }, "starting");

  const transport = transportOf(config);
  const drainTimeoutMs = config.SCBE_DRAIN_TIMEOUT_MS;
  const options = { name, log, signal, drainTimeoutMs, readiness, metrics };
  const bus = stack.use(await connectHostBus({ ...transport, ...options }));
  processGauges.follow(bus);
  const identity = loadIdentity(transport);
  const host: Host = { name, version, log, clock, metrics, readiness, bus, identity, signal };
  await start(config, host, stack);
  readiness.set("service", { ok: true });
  log.info("started");

  await aborted(signal);
  log.info("stopping");
  readiness.set("service", { ok: false, reason: "stopping" });
  endAfter(log, drainTimeoutMs + CLOSE_MARGIN_MS);
}

/** The time after draining for the service's other resources, the bus and the ops port. */
const CLOSE_MARGIN_MS = 5000;

function misconfigured(name: string, problems: readonly string[]): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return `${name} cannot start: ${count} in its configuration\n${problems.map((line) => `  ${line}\n`).join("")}`;
}

/** After an uncaught defect the state is unknown: the process ends, and its supervisor starts another. */
function endOnDefects(log: Logger): void {
  const end = (error: unknown): void => {
    log.fatal({ err: error }, "an uncaught defect");
    process.exit(EXIT_CODES.failed);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}

function endAfter(log: Logger, timeoutMs: number): void {
  const timer = setTimeout(() => {
    log.fatal({ timeoutMs }, "stopping took too long");
    process.exit(EXIT_CODES.failed);
  }, timeoutMs);
  timer.unref();
}
