import { connectHostBus, loadIdentity, outsideTraces, processMetrics, transportOf } from "@scbe/bus";
import { isName, ScbeError } from "@scbe/contracts";
import {
  type Clock,
  createReadiness,
  type Logger,
  type MetricsRegistry,
  type Readiness,
  stderrLogger,
  systemClock,
  UnservedRegistry,
} from "@scbe/runtime";
import { type ControlView, openVerifier } from "@scbe/verifier";
import { BusClient, type Client, type ClientRole } from "./client.ts";
import { type ClientConfig, type ClientSettings, readClientConfig, VERSION } from "./config.ts";
import { isAllFallback } from "./route.ts";

/** Absent settings are read from the environment's variables. */
export interface ConnectOptions extends ClientSettings {
  /** The user's name on the bus, for example `orchestrator` or `gateway-openai`: 1 to 64 of a-z, 0-9, `_` and `-`. */
  readonly name: string;
  /** Default `orchestrator`. */
  readonly role?: ClientRole;
  /** Default: warnings to standard error. */
  readonly log?: Logger;
  /**
   * The registry for the client's metrics, in Prometheus's text format; default one of its own. Clients of one process can share a
   * registry.
   */
  readonly metrics?: MetricsRegistry;
  /** Default: the machine's clocks. */
  readonly clock?: Clock;
  /** Milliseconds for connecting and for fetching what sealing and opening need; default 30,000. */
  readonly timeoutMs?: number;
  /** Aborts connecting; has no effect afterwards. */
  readonly signal?: AbortSignal;
}

/** The maximum delay of a Node timer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Connects to NATS and fetches keys, replay epoch, control document and trust document; resolves when all of them are here. Absent
 * arguments are read from the environment's variables.
 * @throws ScbeError BAD_REQUEST that lists every problem of the configuration, or for a registry that serves OpenMetrics; CONFLICT if
 *   the registry has a foreign metric under one of our names; TIMEOUT that names what is missing; ABORTED; FORBIDDEN if the server
 *   refuses this user, or its seed cannot be read
 * @example
 * await using client = await connect({ name: "orchestrator" });
 * @example
 * await using client = await connect({ name: "gateway-openai", role: "gateway", providers: ["openai"] });
 */
export function connect(options: ConnectOptions): Promise<Client> {
  return outsideTraces(() => connectClient(options));
}

async function connectClient(options: ConnectOptions): Promise<Client> {
  const { name, role = "orchestrator", clock = systemClock, timeoutMs = 30_000, signal } = options;
  const config = readClientConfig(options, argumentProblems(name, timeoutMs));
  const log = options.log ?? stderrLogger({ name });
  const deadline = performance.now() + timeoutMs;
  await using stack = new AsyncDisposableStack();
  const readiness = createReadiness(clock);
  const transport = transportOf(config);
  const metrics = options.metrics ?? new UnservedRegistry();
  const ownMetrics = stack.use(processMetrics({ metrics, name, version: VERSION, readiness, clock }));
  const busOptions = { name, log, readiness, metrics, timeoutMs, ...(signal && { signal }) };
  const bus = stack.use(await connectHostBus({ ...transport, role, ...busOptions }));
  ownMetrics.follow(bus);
  const host = { name, bus, identity: loadIdentity(transport), clock, log, readiness, metrics };
  const fallbackAllowed = config.SCBE_FALLBACK === "allow";
  const verifier = stack.use(openVerifier(host, config, { as: role, fallbackAllowed }));
  const readyWhen = fallbackAllowed ? allUnsealed(verifier.control, config) : undefined;
  await untilReady(readiness, { timeoutMs: deadline - performance.now(), signal, readyWhen });
  return new BusClient(host, config, verifier, stack.move());
}

/** Problems of the arguments that have no variable. */
function argumentProblems(name: string, timeoutMs: number): string[] {
  return [
    ...(isName(name) ? [] : ["name: must be 1 to 64 of a-z, 0-9, _ and -, and not begin with _ or -"]),
    ...(timeoutMs > 0 && timeoutMs <= TIMER_MS_MAX
      ? []
      : [`timeoutMs: ${timeoutMs} is not above 0 and at most ${TIMER_MS_MAX}`]),
  ];
}

/** A condition under which the process is usable although it is not ready. */
interface ReadyWhen {
  holds(): boolean;
  /** Runs `listener` whenever {@link holds} can have changed. */
  onChange(listener: () => void): Disposable;
}

/** Holds while all traffic goes unsealed: then the process needs neither keys nor a replay epoch. */
function allUnsealed(control: ControlView, { SCBE_PROVIDERS: providers }: ClientConfig): ReadyWhen {
  const isUnsealed = (provider: string): boolean =>
    control.document !== undefined && isAllFallback(control.document.state, provider);
  return {
    holds: () => !control.isStale && providers.every(isUnsealed),
    onChange: (listener) => control.onChange(listener),
  };
}

interface UntilReadyOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly readyWhen: ReadyWhen | undefined;
}

/**
 * Resolves when the process is ready, or `readyWhen` holds.
 * @throws ScbeError TIMEOUT after `timeoutMs`, with what is missing and why; ABORTED
 */
async function untilReady(
  readiness: Readiness,
  { timeoutMs, signal, readyWhen }: UntilReadyOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(new ScbeError("ABORTED", "connecting was aborted"));
  const onTimeout = (): void =>
    reject(new ScbeError("TIMEOUT", `not ready within the deadline: ${missing(readiness)}`));
  const check = (): void => {
    if (readiness.ready || readyWhen?.holds() === true) resolve();
  };
  using _readinessListener = readiness.onChange(check);
  using _conditionListener = readyWhen?.onChange(check);
  const timer = setTimeout(onTimeout, Math.max(0, timeoutMs));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  else check();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function missing(readiness: Readiness): string {
  return readiness
    .report()
    .filter(({ ok }) => !ok)
    .map(({ name, reason }) => `${name}: ${reason ?? "away"}`)
    .join("; ");
}
