import {
  ATTRIBUTES,
  type Bus,
  type BusService,
  describeRequest,
  type EndpointAnswer,
  type EndpointRequest,
  followReadiness,
  recordedSpan,
  type ServiceDefinition,
  setFailure,
  withSpan,
} from "@scbe/bus";
import { HEADERS, isScbeError, QUEUES, readTimeoutMs, STATUS, servedAs, subjectOf } from "@scbe/contracts";
import type { OpenedRequest, Opener, RefusedRequest, Sealer } from "@scbe/envelope";
import { type Clock, type Logger, type Readiness, Slots } from "@scbe/runtime";
import type { ControlView } from "@scbe/verifier";
import { VERSION } from "../config.ts";
import { isAnswerPermitted, unsealedRefusal } from "../route.ts";
import { Call, Cancellations, cancelIdOf } from "./call.ts";
import { type IncomingRequest, SealedIncomingRequest, UnsealedIncomingRequest } from "./incoming-request.ts";
import type { Gateway, ServeOptions } from "./options.ts";
import { type CallMetrics, HandlerRunner } from "./run-handler.ts";

export interface GatewayPorts {
  /** The user's name on the bus, and the service's. */
  readonly name: string;
  readonly bus: Bus;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly control: ControlView;
  /** Serves unsealed requests where the control document says fallback; otherwise they are refused. */
  readonly fallbackAllowed: boolean;
  /** All of the client's. */
  readonly intents: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Readiness;
  readonly skewMsMax: number;
  readonly timeoutMsMax: number;
  readonly metrics: CallMetrics | undefined;
  /** The gateway must be disposed from {@link onStart} to {@link onEnd}. */
  onStart(gateway: Gateway): void;
  onEnd(gateway: Gateway): void;
}

const CONCURRENCY = 256;
const DRAIN_MS = 25_000;
/** Additional time after `drainMs` for handlers that obey their signal. Others are left behind; their callers are answered. */
const ABORT_GRACE_MS = 500;
const BUSY = { data: new Uint8Array(0), headers: { [HEADERS.status]: STATUS.busy } };
const REFUSED = { [HEADERS.status]: STATUS.refused };
const OPEN = { attributes: { [ATTRIBUTES.phase]: "request" } };
const DESCRIPTIONS = {
  request: (provider: string) => `Opens sealed requests to ${provider} and answers them sealed`,
  fallback: (provider: string) =>
    `Answers unsealed requests to ${provider} while the control document says fallback`,
};

/** Starts a gateway. Resolves when it is in the queue group, or waits for the process to become ready. */
export async function startGateway(options: ServeOptions, ports: GatewayPorts): Promise<Gateway> {
  const gateway = new QueueGateway(options, ports);
  ports.onStart(gateway);
  try {
    await gateway.start();
    return gateway;
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
}

type AnswerCall = (request: EndpointRequest, call: Call) => EndpointAnswer | Promise<EndpointAnswer>;

class QueueGateway implements Gateway {
  readonly provider: string;
  readonly #options: ServeOptions;
  readonly #ports: GatewayPorts;
  readonly #runner: HandlerRunner;
  /** For envelopes; in its queue group while the process is ready. */
  readonly #service: BusService;
  /** For unsealed requests, which need neither keys nor a replay guard. */
  readonly #unsealed: BusService | undefined;
  readonly #calls = new Slots<Call>();
  readonly #cancellations = new Cancellations();
  readonly #stack = new AsyncDisposableStack();
  #readinessListener: Disposable | undefined;
  #onIdle: (() => void) | undefined;
  #disposing: Promise<void> | undefined;

  constructor(options: ServeOptions, ports: GatewayPorts) {
    const { provider, handler } = options;
    const { bus, control, log, metrics } = ports;
    this.provider = provider;
    this.#options = options;
    this.#ports = ports;
    this.#runner = new HandlerRunner({ provider, handler, bus, log, metrics });
    this.#service = this.#stack.use(bus.service(this.#definition("request")));
    this.#unsealed = ports.fallbackAllowed
      ? this.#stack.use(bus.service(this.#definition("fallback")))
      : undefined;
    this.#stack.use(control.onChange(() => this.#onControlChange()));
    this.#stack.use(metrics?.serve(provider, () => this.inFlight));
  }

  get joined(): boolean {
    return this.#service.joined;
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  async start(): Promise<void> {
    const { bus, readiness } = this.#ports;
    this.#stack.use(
      bus.subscribe(subjectOf("cancel", { provider: this.provider }), ({ data }) => this.#cancel(data)),
    );
    await this.#unsealed?.join();
    if (readiness.ready) await this.#service.join();
    if (this.#disposing !== undefined) return;
    this.#readinessListener = followReadiness(this.#service, readiness);
    await bus.flush().catch((error: unknown) => {
      // The gateway joins when the link is back.
      if (!isScbeError(error, "DISCONNECTED")) throw error;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    this.#readinessListener?.[Symbol.dispose](); // otherwise the gateway would join again if the process became ready now
    const left = Promise.all([this.#service.leave(), this.#unsealed?.leave()]);
    const answered = left.then(() => this.#idle());
    if (!(await settles(answered, this.#options.drainMs ?? DRAIN_MS))) {
      this.#abortAll();
      await settles(answered, ABORT_GRACE_MS);
    }
    await this.#stack.disposeAsync();
    this.#ports.onEnd(this);
  }

  #definition(kind: "request" | "fallback"): ServiceDefinition {
    const answer: AnswerCall = (request, call) =>
      kind === "request" ? this.#answer(request, call) : this.#answerUnsealed(request, call);
    return {
      name: this.#ports.name,
      version: VERSION,
      description: DESCRIPTIONS[kind](this.provider),
      queue: QUEUES.gateways,
      endpoints: [
        {
          name: kind,
          ...servedAs(kind, this.provider),
          handler: (request) => this.#receive(request, answer),
          concurrency: this.#options.concurrency ?? CONCURRENCY,
          onBusy: () => BUSY,
        },
      ],
    };
  }

  #receive(request: EndpointRequest, answer: AnswerCall): EndpointAnswer | Promise<EndpointAnswer> {
    const call = new Call(
      request,
      readTimeoutMs(request.header(HEADERS.timeoutMs), this.#ports.timeoutMsMax),
    );
    const slot = this.#calls.add(call);
    const close = (): void => {
      call.close();
      this.#calls.remove(slot);
      if (this.#calls.size === 0) this.#onIdle?.();
    };
    try {
      const answered = answer(request, call);
      if (answered instanceof Promise) return answered.finally(close);
      close();
      return answered;
    } catch (error) {
      close();
      throw error;
    }
  }

  /** A forgery is refused synchronously, so that it takes no place from the next message. */
  #answer({ data, arrivedAt }: EndpointRequest, call: Call): EndpointAnswer | Promise<EndpointAnswer> {
    const opening = withSpan("scbe.open", OPEN, () =>
      this.#ports.opener.openRequest(data, { provider: this.provider, arrivedAt }),
    );
    return opening instanceof Promise
      ? opening.then((it) => (it.ok ? this.#answerOpened(it, call) : refused(it, call)))
      : refused(opening, call);
  }

  #answerOpened(opened: OpenedRequest, call: Call): Promise<EndpointAnswer> {
    const { sealer, control, clock, skewMsMax } = this.#ports;
    const { ts, ttl, request_id: requestId } = opened.header;
    call.endWithin(ts + ttl * 1000 + skewMsMax - clock.now());
    call.isPermitted = () => isAnswerPermitted(control, "sealed", { provider: this.provider, requestId });
    return this.#handle(new SealedIncomingRequest(opened, sealer), opened.hash, call);
  }

  #answerUnsealed(request: EndpointRequest, call: Call): Promise<EndpointAnswer> {
    const { control, metrics, fallbackAllowed } = this.#ports;
    const { intents = this.#ports.intents, models } = this.#options;
    const common = { providers: [this.provider], intents };
    const incoming = new UnsealedIncomingRequest(request, {
      ...common,
      provider: this.provider,
      ...(models && { models }),
    });
    const query = { provider: this.provider, requestId: incoming.header.request_id, fallbackAllowed };
    const refusal = unsealedRefusal(control, query);
    if (refusal !== undefined) {
      metrics?.unsealed(this.provider, "refused");
      throw refusal;
    }
    metrics?.unsealed(this.provider, "taken");
    call.isPermitted = () => isAnswerPermitted(control, "fallback", query);
    return this.#handle(incoming, incoming.id, call);
  }

  #handle(request: IncomingRequest, id: Uint8Array, call: Call): Promise<EndpointAnswer> {
    const span = recordedSpan();
    const { header } = request;
    if (span !== undefined) describeRequest(span, { ...header, requestId: header.request_id });
    const cancelId = cancelIdOf(id);
    if (this.#cancellations.has(cancelId)) call.abort("cancelled");
    call.cancelId = cancelId;
    return this.#runner.answer(request, call);
  }

  #onControlChange(): void {
    for (const call of this.#calls) if (!call.isPermitted()) call.abort("switched_off");
  }

  #cancel(data: Uint8Array): void {
    const id = this.#cancellations.note(data);
    if (id === undefined) return;
    for (const call of this.#calls) if (call.cancelId === id) call.abort("cancelled");
  }

  #abortAll(): void {
    this.#ports.log.warn({ provider: this.provider, inFlight: this.inFlight }, "draining took too long");
    for (const call of this.#calls) call.abort("stopping");
  }

  #idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }
}

function refused({ noise }: RefusedRequest, call: Call): EndpointAnswer {
  const span = recordedSpan();
  if (span !== undefined) setFailure(span, "refused");
  call.refuse();
  return { ...noise, headers: REFUSED };
}

/** True if `work` settles, either way, within `ms`. */
async function settles(work: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  const settled = (): void => resolve(true);
  work.then(settled, settled);
  const result = await promise;
  clearTimeout(timer);
  return result;
}
