import { ScbeError } from "@scbe/contracts";
import type { Readiness } from "@scbe/runtime";
import type { Verifier, VerifierHost } from "@scbe/verifier";
import type { ClientConfig } from "./config.ts";
import type { Answer, CandidatesOptions, RequestOptions } from "./request/options.ts";
import { Requester } from "./request/request.ts";
import { startGateway } from "./serve/gateway.ts";
import { checkServeOptions, type Gateway, type ServeOptions } from "./serve/options.ts";
import { type CallMetrics, callMetrics } from "./serve/run-handler.ts";

/** An orchestrator sends requests, a gateway serves them. They are different bus users with different rights. */
export type ClientRole = "orchestrator" | "gateway";

/**
 * A process's connection to SCBE. Disposing ends the open requests (ABORTED), drains the gateways, drops the keys and closes the
 * connection; a second disposal waits for the first.
 */
export interface Client extends AsyncDisposable {
  /**
   * The state of the process's dependencies: `nats`, `keys`, `control`, `trust` and, for an orchestrator, `epoch`. For health checks,
   * with an event for each change.
   */
  readonly readiness: Readiness;

  /**
   * Seals `body` in this process, sends it to a gateway of the provider, and opens the answer. A fresh envelope goes to the group of
   * gateways when one is busy or does not respond, and once when the replay epoch has changed; so a handler can see one `requestId`
   * more than once. A request that the kill switch or a flag takes out of SCBE's path travels unsealed if `SCBE_FALLBACK` is `allow`
   * (see the answer's `isSealed`), even if it was already sent. Several `providers` are tried one after the other until one serves,
   * those of doubtful quality last. An earlier one can have carried the request out nevertheless, after TIMEOUT, HANDLER_FAILED,
   * BAD_ANSWER, NOT_READY, INTERNAL, REFUSED, and after SWITCHED_OFF or DISTRUSTED if it was already sent.
   * @throws ScbeError, never another error. Not carried out: BUSY if every try found a full gateway; NO_RESPONDERS if the provider
   *   has no gateway; TOO_LARGE; NO_KEYS or NO_EPOCH while not ready; BAD_REQUEST for content that cannot be sealed; FORBIDDEN if
   *   this user has no right to that provider, or the client is a gateway's. Possibly carried out: TIMEOUT; ABORTED by `signal` or by
   *   disposing; DISCONNECTED; REFUSED if a gateway answered with noise; SWITCHED_OFF if the kill switch or a flag blocks the request,
   *   before or after sending; DISTRUSTED likewise, if the provider's integrity is in doubt; NOT_READY or INTERNAL if the gateway
   *   answered without a seal. Carried out: BAD_ANSWER if the answer does not meet `expects`. A verified answer can carry any code:
   *   HANDLER_FAILED, or the code of the handler's own error. With several `providers`: the code of the last one that was tried;
   *   `cause` is an AggregateError with an ScbeError for each candidate, in order.
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
   * Serves one provider as a member of its group of gateways. Resolves when it is in the group, or waits outside because the process
   * is not ready; see {@link Gateway.joined}.
   * @throws ScbeError FORBIDDEN unless connected as a gateway; BAD_REQUEST for a provider or intent that is not the client's, or a
   *   limit out of its bounds; DISCONNECTED; ABORTED when the client is closed
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

export interface ClientHost extends VerifierHost {
  readonly name: string;
}

/** A connected {@link Client}. It owns all resources of the connection. */
export class BusClient implements Client {
  readonly #host: ClientHost;
  readonly #config: ClientConfig;
  readonly #verifier: Verifier;
  readonly #stack: AsyncDisposableStack;
  /** Only of an orchestrator. */
  readonly #requester: Requester | undefined;
  /** Only of a gateway. */
  readonly #calls: CallMetrics | undefined;
  readonly #gateways = new Set<Gateway>();
  #disposing: Promise<void> | undefined;

  constructor(host: ClientHost, config: ClientConfig, verifier: Verifier, stack: AsyncDisposableStack) {
    this.#host = host;
    this.#config = config;
    this.#verifier = verifier;
    this.#stack = stack;
    const { bus, clock, log, metrics } = host;
    const { sealer, epochs, latches, control, trust } = verifier;
    const common = { providers: config.SCBE_PROVIDERS, intents: config.SCBE_INTENTS };
    const opener = verifier.opener(common);
    const limits = {
      acceptTimeoutMs: config.SCBE_ACCEPT_TIMEOUT_MS,
      timeoutMsMax: config.SCBE_REQUEST_TIMEOUT_MAX_MS,
      timeoutMinMs: config.SCBE_TRUST_TIMEOUT_MIN_MS,
      fallbackAllowed: config.SCBE_FALLBACK === "allow",
      reportsOutcomes: config.SCBE_TRUST_SCORER === "required",
    };
    const shared = { bus, clock, log, metrics, sealer, opener, control, trust, common };
    this.#requester = epochs && latches && new Requester({ ...shared, epochs, latches, ...limits });
    this.#calls = epochs === undefined ? callMetrics(metrics, config.SCBE_PROVIDERS) : undefined;
  }

  get readiness(): Readiness {
    return this.#host.readiness;
  }

  async request(options: RequestOptions | CandidatesOptions): Promise<Answer> {
    if (this.#requester === undefined) throw wrongRole("gateway", "send requests");
    return this.#requester.request(options);
  }

  async serve(options: ServeOptions): Promise<Gateway> {
    if (this.#requester !== undefined) throw wrongRole("orchestrator", "serve");
    const config = this.#config;
    checkServeOptions(options, { providers: config.SCBE_PROVIDERS, intents: config.SCBE_INTENTS });
    this.#assertOpen();
    const { provider, models, intents = config.SCBE_INTENTS } = options;
    const verifier = this.#verifier;
    const gateway = await startGateway(options, {
      ...this.#host,
      sealer: verifier.sealer,
      control: verifier.control,
      fallbackAllowed: config.SCBE_FALLBACK === "allow",
      intents: config.SCBE_INTENTS,
      opener: verifier.opener({ providers: [provider], intents, ...(models && { models }) }),
      get skewMsMax() {
        return verifier.skewSeconds * 1000;
      },
      timeoutMsMax: config.SCBE_REQUEST_TIMEOUT_MAX_MS,
      metrics: this.#calls,
      onStart: (starting) => this.#gateways.add(starting),
      onEnd: (ended) => this.#gateways.delete(ended),
    });
    this.#assertOpen();
    return gateway;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await this.#requester?.[Symbol.asyncDispose]();
    await Promise.all([...this.#gateways].map((gateway) => gateway[Symbol.asyncDispose]()));
    await this.#stack.disposeAsync();
  }

  #assertOpen(): void {
    if (this.#disposing !== undefined) throw new ScbeError("ABORTED", "the client is closed");
  }
}

function wrongRole(role: ClientRole, what: string): ScbeError {
  return new ScbeError("FORBIDDEN", `a client that is connected as ${role} cannot ${what}`);
}
