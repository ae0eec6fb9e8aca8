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
import { Call } from "./call.ts";
import type { CallMetrics } from "./call-metrics.ts";
import { Cancellations, cancelId } from "./cancellations.ts";
import type { Gateway, ServeOptions } from "./gateway-options.ts";
import { HandlerRunner } from "./handler-runner.ts";
import type { IncomingRequest } from "./incoming-request.ts";
import { mayBeAnswered, unsealedRefusal } from "./resolve-route.ts";
import { SealedIncomingRequest } from "./sealed-incoming-request.ts";
import { settles } from "./settles.ts";
import { UnsealedIncomingRequest } from "./unsealed-incoming-request.ts";
import { VERSION } from "./version.ts";

export interface GatewayPorts {
  /** The user's name on the bus, and so the service's. */
  readonly name: string;
  readonly bus: Bus;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly control: ControlView;
  /** What the control document sends to fallback is served unsealed; else it is refused. */
  readonly fallbackAllowed: boolean;
  /** All that the client may serve. */
  readonly intents: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Readiness;
  readonly skewMsMax: number;
  readonly timeoutMsMax: number;
  readonly shown: CallMetrics | undefined;
  /** From when on it is to be disposed of, until it has been. */
  onStart(gateway: Gateway): void;
  onEnd(gateway: Gateway): void;
}

const CONCURRENCY = 256;
const DRAIN_MS = 25_000;
/** After the time to drain: for handlers that mind their signal. The others are left behind, their callers answered. */
const ABORT_GRACE_MS = 500;
const BUSY = { data: new Uint8Array(0), headers: { [HEADERS.status]: STATUS.busy } };
const REFUSED = { [HEADERS.status]: STATUS.refused };
const OPEN = { attributes: { [ATTRIBUTES.phase]: "request" } };
const DESCRIPTIONS = {
  request: (provider: string) => `Opens sealed requests to ${provider} and answers them sealed`,
  fallback: (provider: string) =>
    `Answers unsealed requests to ${provider} while the control document says fallback`,
};

/** Starts a gateway; resolves when it is in the queue group, or waits outside for the process to become ready. */
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

type Answering = (request: EndpointRequest, call: Call) => EndpointAnswer | Promise<EndpointAnswer>;

class QueueGateway implements Gateway {
  readonly provider: string;
  readonly #options: ServeOptions;
  readonly #ports: GatewayPorts;
  readonly #answerer: HandlerRunner;
  /** For envelopes: in its queue group while the process is ready. */
  readonly #service: BusService;
  /** For what is not sealed, which needs neither keys nor a replay guard. */
  readonly #unsealed: BusService | undefined;
  readonly #calls = new Slots<Call>();
  readonly #cancellations = new Cancellations();
  readonly #stack = new AsyncDisposableStack();
  #following: Disposable | undefined;
  #onIdle: (() => void) | undefined;
  #disposing: Promise<void> | undefined;

  constructor(options: ServeOptions, ports: GatewayPorts) {
    const { provider, handler } = options;
    const { bus, control, log, shown } = ports;
    this.provider = provider;
    this.#options = options;
    this.#ports = ports;
    this.#answerer = new HandlerRunner({ provider, handler, bus, log, shown });
    this.#service = this.#stack.use(bus.service(this.#definition("request")));
    this.#unsealed = ports.fallbackAllowed
      ? this.#stack.use(bus.service(this.#definition("fallback")))
      : undefined;
    this.#stack.use(control.onChange(() => this.#obey()));
    this.#stack.use(shown?.serve(provider, () => this.inFlight));
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
    this.#following = followReadiness(this.#service, readiness);
    await bus.flush().catch((error: unknown) => {
      // The link has just gone down; the gateway joins when it is back.
      if (!isScbeError(error, "DISCONNECTED")) throw error;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    this.#following?.[Symbol.dispose](); // or a process that becomes ready just now would take it back into the group
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
    const answer: Answering = (request, call) =>
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
          handler: (request) => this.#take(request, answer),
          concurrency: this.#options.concurrency ?? CONCURRENCY,
          onBusy: () => BUSY,
        },
      ],
    };
  }

  #take(request: EndpointRequest, answer: Answering): EndpointAnswer | Promise<EndpointAnswer> {
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

  /** A forgery is answered in the turn in which it has arrived: it has no place when the next message is looked at. */
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
    call.isPermitted = () => mayBeAnswered(control, "sealed", { provider: this.provider, requestId });
    return this.#work(new SealedIncomingRequest(opened, sealer), opened.hash, call);
  }

  #answerUnsealed(request: EndpointRequest, call: Call): Promise<EndpointAnswer> {
    const { control, shown, fallbackAllowed } = this.#ports;
    const { intents = this.#ports.intents, models } = this.#options;
    const common = { providers: [this.provider], intents };
    const question = new UnsealedIncomingRequest(request, {
      ...common,
      provider: this.provider,
      ...(models && { models }),
    });
    const travelling = { provider: this.provider, requestId: question.header.request_id, fallbackAllowed };
    const refusal = unsealedRefusal(control, travelling);
    if (refusal !== undefined) {
      shown?.unsealed(this.provider, "refused");
      throw refusal;
    }
    shown?.unsealed(this.provider, "taken");
    call.isPermitted = () => mayBeAnswered(control, "fallback", travelling);
    return this.#work(question, question.id, call);
  }

  #work(question: IncomingRequest, cancelledBy: Uint8Array, call: Call): Promise<EndpointAnswer> {
    const span = recordedSpan();
    const { header } = question;
    if (span !== undefined) describeRequest(span, { ...header, requestId: header.request_id });
    const id = cancelId(cancelledBy);
    if (this.#cancellations.has(id)) call.abort("cancelled");
    call.opens = id;
    return this.#answerer.answer(question, call);
  }

  #obey(): void {
    for (const call of this.#calls) if (!call.isPermitted()) call.abort("switched_off");
  }

  #cancel(data: Uint8Array): void {
    const id = this.#cancellations.note(data);
    if (id === undefined) return;
    for (const call of this.#calls) if (call.opens === id) call.abort("cancelled");
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
