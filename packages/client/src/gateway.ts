import { HEADERS, isScbeError, QUEUES, ScbeError, STATUS, subjectFor } from "@scbe/contracts";
import type { Opener, Sealer } from "@scbe/envelope";
import {
  ATTRIBUTES,
  type Bus,
  type BusService,
  type Clock,
  describeRequest,
  type EndpointAnswer,
  type EndpointRequest,
  followReadiness,
  type Logger,
  type Readiness,
  recordedSpan,
  type ServiceDefinition,
  Slots,
  setFailure,
  withSpan,
} from "@scbe/service-kit";
import { Answerer } from "./answerer.ts";
import { Call } from "./call.ts";
import { Cancellations, cancelId } from "./cancellations.ts";
import type { Gateway, ServeOptions } from "./gateway-options.ts";
import type { Question } from "./question.ts";
import { readTimeout } from "./read-timeout.ts";
import { SealedQuestion } from "./sealed-question.ts";
import { settles } from "./settles.ts";
import type { ShownCalls } from "./show-calls.ts";
import { UnsealedQuestion } from "./unsealed-question.ts";
import type { ControlView } from "./verifier/index.ts";
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
  readonly shown: ShownCalls | undefined;
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

class QueueGateway implements Gateway {
  readonly provider: string;
  readonly #options: ServeOptions;
  readonly #ports: GatewayPorts;
  readonly #answerer: Answerer;
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
    this.#answerer = new Answerer({ provider, handler, bus, log, shown });
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
    this.#stack.use(bus.subscribe(subjectFor("cancel", this.provider), ({ data }) => this.#cancel(data)));
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
    const answer = (request: EndpointRequest, call: Call): Promise<EndpointAnswer> =>
      kind === "request" ? this.#answer(request, call) : this.#answerUnsealed(request, call);
    return {
      name: this.#ports.name,
      version: VERSION,
      description: DESCRIPTIONS[kind](this.provider),
      queue: QUEUES.gateways,
      endpoints: [
        {
          name: kind,
          subject: subjectFor(kind, this.provider),
          handler: (request) => this.#take(request, answer),
          concurrency: this.#options.concurrency ?? CONCURRENCY,
          onBusy: () => BUSY,
        },
      ],
    };
  }

  async #take(
    request: EndpointRequest,
    answer: (request: EndpointRequest, call: Call) => Promise<EndpointAnswer>,
  ): Promise<EndpointAnswer> {
    const call = new Call(request, readTimeout(request, this.#ports.timeoutMsMax));
    const slot = this.#calls.add(call);
    try {
      return await answer(request, call);
    } finally {
      call.close();
      this.#calls.remove(slot);
      if (this.#calls.size === 0) this.#onIdle?.();
    }
  }

  async #answer({ data, arrivedAt }: EndpointRequest, call: Call): Promise<EndpointAnswer> {
    const { opener, sealer, control, clock, skewMsMax } = this.#ports;
    const opened = await withSpan("scbe.open", OPEN, () =>
      opener.openRequest(data, { provider: this.provider, arrivedAt }),
    );
    const span = recordedSpan();
    if (!opened.ok) {
      if (span !== undefined) setFailure(span, "refused");
      return { data: opened.noise, headers: REFUSED };
    }
    const { ts, ttl, request_id: requestId } = opened.header;
    call.endWithin(ts + ttl * 1000 + skewMsMax - clock.now());
    call.isPermitted = () => control.permits("response", this.provider, requestId);
    return this.#work(new SealedQuestion(opened, sealer), opened.hash, call);
  }

  /** Taken only where this gateway's own control document says so: nobody can strip the seal of what is to be sealed. */
  async #answerUnsealed(request: EndpointRequest, call: Call): Promise<EndpointAnswer> {
    const { control, shown } = this.#ports;
    const { intents = this.#ports.intents, models } = this.#options;
    const common = { providers: [this.provider], intents };
    const question = new UnsealedQuestion(request, {
      ...common,
      provider: this.provider,
      ...(models && { models }),
    });
    const way = (): string => control.route(this.provider, question.header.request_id).way;
    if (way() !== "fallback") {
      shown?.unsealed(this.provider, "refused");
      throw new ScbeError(
        "SWITCHED_OFF",
        `${this.provider}: the control document does not send this to fallback`,
      );
    }
    shown?.unsealed(this.provider, "taken");
    call.isPermitted = () => way() !== "refused";
    return this.#work(question, question.id, call);
  }

  #work(question: Question, cancelledBy: Uint8Array, call: Call): Promise<EndpointAnswer> {
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
