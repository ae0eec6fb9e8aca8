import { setTimeout as delay } from "node:timers/promises";
import { ScbeError } from "@scbe/contracts";
import {
  type Clock,
  connectHostBus,
  createLogger,
  createReadiness,
  type Logger,
  loadIdentity,
  type Readiness,
  Registry,
  systemClock,
  transportOf,
} from "@scbe/service-kit";
import { type ClientConfig, type ClientSettings, readClientConfig } from "./config.ts";
import { startGateway } from "./gateway.ts";
import type { Gateway, ServeOptions } from "./gateway-options.ts";
import type { Answer, RequestOptions } from "./request-options.ts";
import { Requester } from "./requester.ts";
import { openVerifier, type Verifier } from "./verifier/index.ts";

/** An orchestrator sends requests, a gateway serves them. They are different users of the bus, with different rights. */
export type ClientRole = "orchestrator" | "gateway";

export interface ConnectOptions extends ClientSettings {
  /** The user's name on the bus, as `orchestrator` or `gateway-openai`. */
  readonly name: string;
  /** Default `orchestrator`. */
  readonly role?: ClientRole;
  /** Warnings to standard output unless told. */
  readonly log?: Logger;
  /** Where metrics are registered; a registry of its own unless told. */
  readonly metrics?: Registry;
  readonly clock?: Clock;
  /** Until connected, and everything is here that sealing and opening need; default 30,000. */
  readonly timeoutMs?: number;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
}

/** A process's way to SCBE. Disposing drains what is at work, drops the keys and closes the connection. */
export interface Client extends AsyncDisposable {
  /** What the process depends on, and whether it has it: `nats`, `keys` and, for an orchestrator, `epoch`. */
  readonly readiness: Readiness;

  /**
   * Seals `body` in this process, has a gateway of the provider answer it, and opens the answer. A fresh envelope goes to
   * the group of gateways when one is busy or gives no sign of life, and once when the replay epoch has changed.
   * @throws ScbeError
   *   REFUSED when the gateway did not open it; TIMEOUT; ABORTED; BUSY when every try found a full gateway; NO_RESPONDERS
   *   when the provider has no gateway; DISCONNECTED, and then nobody knows whether it was carried out; TOO_LARGE;
   *   NO_KEYS or NO_EPOCH while not ready; BAD_REQUEST for what cannot be sealed; and from a gateway whose answer was
   *   verified HANDLER_FAILED, or the code that its handler gave
   * @example
   * const { body } = await client.request({
   *   provider: "openai",
   *   model: "gpt-5",
   *   intent: "chat",
   *   body: Buffer.from(JSON.stringify({ messages: [{ role: "user", content: "Grüß Gott" }] })),
   *   timeoutMs: 30_000,
   * });
   */
  request(options: RequestOptions): Promise<Answer>;

  /**
   * Serves one provider as a member of its group of gateways.
   * @throws ScbeError FORBIDDEN unless connected as a gateway, BAD_REQUEST for a provider or intent that is not the client's
   * @example
   * await using gateway = await client.serve({
   *   provider: "openai",
   *   handler: async ({ body, header, signal }) => {
   *     const answer = await fetch(url, { method: "POST", body, signal });
   *     return { body: await answer.bytes(), contentType: "application/json" };
   *   },
   * });
   */
  serve(options: ServeOptions): Promise<Gateway>;
}

/**
 * Connects to NATS, fetches keys and replay epoch, and resolves when all of it is here. What the arguments leave open is
 * read from the environment's variables.
 * @throws ScbeError BAD_REQUEST naming everything that is wrong with the configuration; TIMEOUT naming what is missing;
 *   ABORTED; FORBIDDEN when the server refuses this user; NOT_READY without an nkey
 * @example
 * await using client = await connect({ name: "orchestrator" });
 * @example
 * await using client = await connect({ name: "gateway-openai", role: "gateway", providers: ["openai"] });
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const config = readClientConfig(options);
  const { name, role = "orchestrator", clock = systemClock, timeoutMs = 30_000, signal } = options;
  const log = options.log ?? createLogger({ name, level: "warn" });
  const deadline = clock.monotonic() + timeoutMs;
  await using stack = new AsyncDisposableStack();
  const readiness = createReadiness(clock);
  const transport = transportOf(config);
  const bus = stack.use(
    await connectHostBus({ ...transport, name, log, readiness, timeoutMs, ...(signal && { signal }) }),
  );
  const metrics = options.metrics ?? new Registry();
  const host = { name, bus, identity: loadIdentity(transport), clock, log, readiness, metrics };
  const verifier = stack.use(openVerifier(host, config, { sealsRequests: role === "orchestrator" }));
  await untilReady(readiness, deadline - clock.monotonic(), signal);
  return new BusClient(host, config, verifier, stack.move());
}

type ClientHost = Parameters<typeof openVerifier>[0] & { readonly name: string };

class BusClient implements Client {
  readonly #host: ClientHost;
  readonly #config: ClientConfig;
  readonly #verifier: Verifier;
  readonly #stack: AsyncDisposableStack;
  readonly #requester: Requester | undefined;

  constructor(host: ClientHost, config: ClientConfig, verifier: Verifier, stack: AsyncDisposableStack) {
    this.#host = host;
    this.#config = config;
    this.#verifier = verifier;
    this.#stack = stack;
    const { sealer, epochs } = verifier;
    const opener = verifier.opener({ providers: config.SCBE_PROVIDERS, intents: config.SCBE_INTENTS });
    const acceptTimeoutMs = config.SCBE_ACCEPT_TIMEOUT_MS;
    const timeoutMsMax = config.SCBE_REQUEST_TIMEOUT_MAX_MS;
    this.#requester =
      epochs && new Requester({ bus: host.bus, sealer, opener, epochs, acceptTimeoutMs, timeoutMsMax });
  }

  get readiness(): Readiness {
    return this.#host.readiness;
  }

  async request(options: RequestOptions): Promise<Answer> {
    if (this.#requester === undefined) throw wrongRole("gateway", "send requests");
    return this.#requester.request(options);
  }

  async serve(options: ServeOptions): Promise<Gateway> {
    if (this.#requester !== undefined) throw wrongRole("orchestrator", "serve");
    const config = this.#config;
    const { provider, models, intents = config.SCBE_INTENTS } = options;
    assertOwn([provider], config.SCBE_PROVIDERS, "provider");
    assertOwn(intents, config.SCBE_INTENTS, "intent");
    const gateway = await startGateway(options, {
      ...this.#host,
      sealer: this.#verifier.sealer,
      opener: this.#verifier.opener({ providers: [provider], intents, ...(models && { models }) }),
      skewMsMax: config.SCBE_MAX_CLOCK_SKEW_SECONDS * 1000,
      timeoutMsMax: config.SCBE_REQUEST_TIMEOUT_MAX_MS,
    });
    return this.#stack.use(gateway);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** @throws ScbeError TIMEOUT, ABORTED */
async function untilReady(readiness: Readiness, timeoutMs: number, signal?: AbortSignal): Promise<void> {
  if (readiness.ready) return;
  const ready = Promise.withResolvers<void>();
  using _following = readiness.onChange(() => ready.resolve());
  const waiting = new AbortController();
  const limit = signal === undefined ? waiting.signal : AbortSignal.any([waiting.signal, signal]);
  await Promise.race([ready.promise, delay(timeoutMs, undefined, { signal: limit }).catch(() => undefined)]);
  waiting.abort();
  if (readiness.ready) return;
  if (signal?.aborted === true) throw new ScbeError("ABORTED", "connecting was given up");
  throw new ScbeError("TIMEOUT", `not ready within the deadline: ${missing(readiness)}`);
}

function missing(readiness: Readiness): string {
  return readiness
    .report()
    .filter(({ ok }) => !ok)
    .map(({ name, reason }) => `${name}: ${reason ?? "away"}`)
    .join("; ");
}

function wrongRole(role: ClientRole, what: string): ScbeError {
  return new ScbeError("FORBIDDEN", `a client that is connected as ${role} cannot ${what}`);
}

function assertOwn(names: readonly string[], own: readonly string[], kind: string): void {
  const foreign = names.find((name) => !own.includes(name));
  if (foreign !== undefined)
    throw new ScbeError("BAD_REQUEST", `the ${kind} ${foreign} is none of this client's`);
}
