import { connectHostBus, loadIdentity, outsideTraces, processMetrics, transportOf } from "@scbe/bus";
import { isName } from "@scbe/contracts";
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
import { BusClient } from "./bus-client.ts";
import { type ClientConfig, type ClientSettings, readClientConfig } from "./config.ts";
import type { Gateway, ServeOptions } from "./gateway-options.ts";
import type { Answer, CandidatesOptions, RequestOptions } from "./request-options.ts";
import { isAllFallback } from "./resolve-route.ts";
import { type ReadyWhen, untilReady } from "./until-ready.ts";
import { VERSION } from "./version.ts";

/** An orchestrator sends requests, a gateway serves them. They are different users of the bus, with different rights. */
export type ClientRole = "orchestrator" | "gateway";

/** Who connects, and how. Whatever is left out here is read from the environment's variables. */
export interface ConnectOptions extends ClientSettings {
  /** The user's name on the bus, as `orchestrator` or `gateway-openai`: 1 to 64 of a-z, 0-9, `_` and `-`. */
  readonly name: string;
  /** Default `orchestrator`. */
  readonly role?: ClientRole;
  /** Warnings to standard error unless told. */
  readonly log?: Logger;
  /**
   * Where the client's metrics are shown, in Prometheus's own text format; a registry of its own unless told. Clients of one
   * process may share one.
   */
  readonly metrics?: MetricsRegistry;
  /** The machine's clocks unless told. */
  readonly clock?: Clock;
  /** Milliseconds until connected, and everything is here that sealing and opening need; default 30,000. */
  readonly timeoutMs?: number;
  /** Gives up connecting; afterwards it means nothing. */
  readonly signal?: AbortSignal;
}

/**
 * A process's way to SCBE. Disposing ends the requests that are open (ABORTED), drains its gateways, drops the keys and
 * closes the connection; disposing again waits for the same.
 */
export interface Client extends AsyncDisposable {
  /**
   * What the process depends on, and whether it has it: `nats`, `keys`, `control`, `trust` and, for an orchestrator, `epoch`. For a
   * health check, and to hear when that changes.
   */
  readonly readiness: Readiness;

  /**
   * Seals `body` in this process, has a gateway of the provider answer it, and opens the answer. A fresh envelope goes to
   * the group of gateways when one is busy or gives no sign of life, and once when the replay epoch has changed; so a
   * handler may see one `requestId` more than once. What kill switch and flags take out of SCBE's path travels unsealed where
   * `SCBE_FALLBACK` is `allow` (the answer's `isSealed` tells), also what was under way just then. Of several `providers` each is
   * asked after the one before it did not serve, never two at once, and those of doubtful quality last; a former one may have carried
   * the request out all the same, after TIMEOUT, HANDLER_FAILED, BAD_ANSWER, NOT_READY, INTERNAL, REFUSED, and SWITCHED_OFF or
   * DISTRUSTED when it was under way.
   * @throws ScbeError, never anything else. Nothing was carried out: BUSY when every try found a full gateway;
   *   NO_RESPONDERS when the provider has no gateway; TOO_LARGE; NO_KEYS or NO_EPOCH while not ready; BAD_REQUEST for
   *   what cannot be sealed; FORBIDDEN when this user may not ask that provider, or the client is a gateway's. Nobody
   *   knows whether it was: TIMEOUT; ABORTED by `signal` or by disposing; DISCONNECTED; REFUSED when a gateway answered
   *   with noise; SWITCHED_OFF when kill switch or flags leave it no way, or leave it none any more; DISTRUSTED likewise, when the
   *   provider's integrity is in doubt; NOT_READY or INTERNAL when it answered without a seal. It was: BAD_ANSWER when the answer
   *   is not what `expects` says. And whatever the answer of a gateway says, once it has verified: HANDLER_FAILED, or
   *   the code that its handler gave. Of several `providers`: the code of the last one that was asked; `cause` is an
   *   AggregateError with an ScbeError for each candidate, in order.
   * @example
   * const { body } = await client.request({
   *   provider: "openai",
   *   model: "gpt-5",
   *   intent: "chat",
   *   body: Buffer.from(JSON.stringify({ messages: [{ role: "user", content: "Grüß Gott" }] })),
   *   timeoutMs: 30_000,
   * });
   * @example
   * const { body, provider, passedOver } = await client.request({
   *   providers: ["openai", { provider: "anthropic", model: "claude-sonnet-4-5" }],
   *   model: "gpt-5",
   *   intent: "chat",
   *   body: Buffer.from(JSON.stringify({ messages: [{ role: "user", content: "Grüß Gott" }] })),
   * });
   */
  request(options: RequestOptions | CandidatesOptions): Promise<Answer>;

  /**
   * Serves one provider as a member of its group of gateways. Resolves when it is in the group, or waits outside because
   * the process is not ready: {@link Gateway.joined} tells.
   * @throws ScbeError FORBIDDEN unless connected as a gateway, BAD_REQUEST for a provider or intent that is not the
   *   client's or a limit out of its bounds, DISCONNECTED, ABORTED when the client is closed
   * @example
   * await using gateway = await client.serve({
   *   provider: "openai",
   *   handler: async ({ body, signal }) => {
   *     const answer = await fetch("https://api.openai.com/v1/responses", { method: "POST", body, signal });
   *     return { body: await answer.bytes(), contentType: "application/json" };
   *   },
   * });
   */
  serve(options: ServeOptions): Promise<Gateway>;
}

/** The longest that a timer of Node can run. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Connects to NATS, fetches keys, replay epoch and control document, and resolves when all of it is here. What the
 * arguments leave open is read from the environment's variables.
 * @throws ScbeError BAD_REQUEST naming everything that is wrong with the configuration, or for a registry that serves
 *   OpenMetrics; CONFLICT for one with another's metric of a name of ours; TIMEOUT naming what is missing; ABORTED; FORBIDDEN when the server refuses this user, or its seed cannot be read
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
  const config = readClientConfig(options, wrongIn(name, timeoutMs));
  const log = options.log ?? stderrLogger({ name });
  const deadline = performance.now() + timeoutMs;
  await using stack = new AsyncDisposableStack();
  const readiness = createReadiness(clock);
  const transport = transportOf(config);
  const metrics = options.metrics ?? new UnservedRegistry();
  const shown = stack.use(processMetrics({ metrics, name, version: VERSION, readiness, clock }));
  const dealings = { name, log, readiness, metrics, timeoutMs, ...(signal && { signal }) };
  const bus = stack.use(await connectHostBus({ ...transport, role, ...dealings }));
  shown.follow(bus);
  const host = { name, bus, identity: loadIdentity(transport), clock, log, readiness, metrics };
  const fallbackAllowed = config.SCBE_FALLBACK === "allow";
  const verifier = stack.use(openVerifier(host, config, { as: role, fallbackAllowed }));
  const enough = fallbackAllowed ? allUnsealed(verifier.control, config) : undefined;
  await untilReady(readiness, { timeoutMs: deadline - performance.now(), signal, enough });
  return new BusClient(host, config, verifier, stack.move());
}

/** While all traffic is to go unsealed, neither keys nor a replay epoch are needed: they may be what is away. */
function allUnsealed(control: ControlView, { SCBE_PROVIDERS: providers }: ClientConfig): ReadyWhen {
  const isUnsealed = (provider: string): boolean =>
    control.document !== undefined && isAllFallback(control.document.state, provider);
  return {
    holds: () => !control.isStale && providers.every(isUnsealed),
    onChange: (listener) => control.onChange(listener),
  };
}

/** What is wrong with arguments that stand for no variable. */
function wrongIn(name: string, timeoutMs: number): string[] {
  return [
    ...(isName(name) ? [] : ["name: 1 to 64 of a-z, 0-9, _ and -, not _ or - first, is expected"]),
    ...(timeoutMs > 0 && timeoutMs <= TIMER_MS_MAX
      ? []
      : [`timeoutMs: ${timeoutMs} is not above 0 and at most ${TIMER_MS_MAX}`]),
  ];
}
