import { ScbeError } from "@scbe/contracts";
import type { Readiness } from "@scbe/runtime";
import type { Verifier, VerifierHost } from "@scbe/verifier";
import { type CallMetrics, callMetrics } from "./call-metrics.ts";
import { checkServeOptions } from "./check-serve-options.ts";
import type { ClientConfig } from "./config.ts";
import type { Client, ClientRole } from "./connect.ts";
import { startGateway } from "./gateway.ts";
import type { Gateway, ServeOptions } from "./gateway-options.ts";
import type { Answer, CandidatesOptions, RequestOptions } from "./request-options.ts";
import { Requester } from "./requester.ts";

export interface ClientHost extends VerifierHost {
  readonly name: string;
}

/** A {@link Client} that is connected; owns everything that connecting has made. */
export class BusClient implements Client {
  readonly #host: ClientHost;
  readonly #config: ClientConfig;
  readonly #verifier: Verifier;
  readonly #stack: AsyncDisposableStack;
  readonly #requester: Requester | undefined;
  /** A gateway's alone. */
  readonly #calls: CallMetrics | undefined;
  readonly #gateways = new Set<Gateway>();
  #disposing: Promise<void> | undefined;

  constructor(host: ClientHost, config: ClientConfig, verifier: Verifier, stack: AsyncDisposableStack) {
    this.#host = host;
    this.#config = config;
    this.#verifier = verifier;
    this.#stack = stack;
    const { sealer, epochs, latches } = verifier;
    const opener = verifier.opener({ providers: config.SCBE_PROVIDERS, intents: config.SCBE_INTENTS });
    const acceptTimeoutMs = config.SCBE_ACCEPT_TIMEOUT_MS;
    const timeoutMsMax = config.SCBE_REQUEST_TIMEOUT_MAX_MS;
    const { bus, clock, log, metrics } = host;
    const { control, trust } = verifier;
    const providers = config.SCBE_PROVIDERS;
    const common = { providers, intents: config.SCBE_INTENTS };
    const fallbackAllowed = config.SCBE_FALLBACK === "allow";
    const timeoutMinMs = config.SCBE_TRUST_TIMEOUT_MIN_MS;
    const isTold = config.SCBE_TRUST_SCORER === "required";
    const limits = { acceptTimeoutMs, timeoutMsMax, timeoutMinMs, fallbackAllowed, isTold };
    const shared = { bus, clock, log, metrics, sealer, opener, control, trust, common };
    this.#requester = epochs && latches && new Requester({ ...shared, epochs, latches, ...limits });
    this.#calls = epochs === undefined ? callMetrics(metrics, providers) : undefined;
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
      shown: this.#calls,
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
