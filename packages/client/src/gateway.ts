import {
  encodeProblem,
  HEADERS,
  isScbeError,
  PROBLEM_MEDIA_TYPE,
  QUEUES,
  ScbeError,
  STATUS,
  SUBJECTS,
  subjectFor,
} from "@scbe/contracts";
import type { OpenedRequest, Opener, Sealer } from "@scbe/envelope";
import {
  type Bus,
  type BusService,
  type Clock,
  type EndpointAnswer,
  type EndpointRequest,
  followReadiness,
  type Logger,
  type Readiness,
  type ServiceDefinition,
} from "@scbe/service-kit";
import { Call } from "./call.ts";
import { Cancellations, cancelId } from "./cancellations.ts";
import type { Gateway, HandlerAnswer, ServeOptions } from "./gateway-options.ts";
import { readTimeout } from "./read-timeout.ts";

export interface GatewayPorts {
  /** The user's name on the bus, and so the service's. */
  readonly name: string;
  readonly bus: Bus;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Readiness;
  readonly skewMsMax: number;
  readonly timeoutMsMax: number;
}

const CONCURRENCY = 256;
const DRAIN_MS = 25_000;
const VERSION = "0.1.0";
const BUSY = { data: new Uint8Array(0), headers: { [HEADERS.status]: STATUS.busy } };
const SEALED = { [HEADERS.status]: STATUS.sealed };
const REFUSED = { [HEADERS.status]: STATUS.refused };
/** What NATS counts of an answer beside its data: the header block. */
const HEADER_BLOCK_BYTES = 64;

/** Starts a gateway; resolves when it is in the queue group, or waits outside for the process to become ready. */
export async function startGateway(options: ServeOptions, ports: GatewayPorts): Promise<Gateway> {
  const gateway = new QueueGateway(options, ports);
  await gateway.start();
  return gateway;
}

class QueueGateway implements Gateway {
  readonly provider: string;
  readonly #options: ServeOptions;
  readonly #ports: GatewayPorts;
  readonly #service: BusService;
  readonly #calls = new Set<Call>();
  readonly #opened = new Map<string, Call>();
  readonly #cancellations = new Cancellations();
  readonly #stack = new AsyncDisposableStack();
  #onIdle: (() => void) | undefined;

  constructor(options: ServeOptions, ports: GatewayPorts) {
    this.provider = options.provider;
    this.#options = options;
    this.#ports = ports;
    this.#service = this.#stack.use(ports.bus.service(this.#definition()));
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
    if (readiness.ready) await this.#service.join();
    this.#stack.use(followReadiness(this.#service, readiness));
    if (bus.connected) await bus.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service.leave();
    const drainMs = this.#options.drainMs ?? DRAIN_MS;
    const late = setTimeout(() => this.#abortAll(), drainMs);
    await Promise.race([this.#idle(), this.#lateAfter(drainMs + ABORT_GRACE_MS)]);
    clearTimeout(late);
    await this.#stack.disposeAsync();
  }

  #definition(): ServiceDefinition {
    return {
      name: this.#ports.name,
      version: VERSION,
      description: `Opens sealed requests to ${this.provider} and answers them sealed`,
      queue: QUEUES.gateways,
      endpoints: [
        {
          name: "request",
          subject: `${SUBJECTS.request}.${this.provider}`,
          handler: (request) => this.#take(request),
          concurrency: this.#options.concurrency ?? CONCURRENCY,
          onBusy: () => BUSY,
        },
      ],
    };
  }

  async #take(request: EndpointRequest): Promise<EndpointAnswer> {
    const call = new Call(request, readTimeout(request, this.#ports.timeoutMsMax));
    this.#calls.add(call);
    try {
      return await this.#answer(request, call);
    } finally {
      call.close();
      this.#calls.delete(call);
      if (this.#calls.size === 0) this.#onIdle?.();
    }
  }

  async #answer({ data, arrivedAt }: EndpointRequest, call: Call): Promise<EndpointAnswer> {
    const { opener, clock, skewMsMax } = this.#ports;
    const opened = await opener.openRequest(data, { provider: this.provider, arrivedAt });
    if (!opened.ok) return { data: opened.noise, headers: REFUSED };

    const { ts, ttl } = opened.header;
    call.endWithin(ts + ttl * 1000 + skewMsMax - clock.now());
    const id = cancelId(opened.hash);
    if (this.#cancellations.has(id)) call.abort("cancelled");
    this.#opened.set(id, call);
    try {
      const answer = await this.#handle(opened, call);
      return call.end === "late" || call.end === "cancelled" ? undefined : this.#seal(opened, answer);
    } finally {
      this.#opened.delete(id);
    }
  }

  /** What the handler says, or why it says nothing. No handler starts once its answer is not wanted any more. */
  async #handle({ header, body }: OpenedRequest, call: Call): Promise<HandlerAnswer> {
    if (call.end !== undefined) return problem(new ScbeError("NOT_READY", "the gateway is stopping"));
    try {
      return await this.#options.handler({
        body,
        header,
        remainingMs: call.remainingMs,
        get signal() {
          return call.signal;
        },
      });
    } catch (error) {
      return problem(this.#publicError(error, header.request_id, call));
    }
  }

  #publicError(error: unknown, requestId: string, call: Call): ScbeError {
    if (call.end === "stopping") return new ScbeError("NOT_READY", "the gateway is stopping");
    if (call.end === undefined) {
      this.#ports.log.warn({ provider: this.provider, requestId, err: error }, "the handler failed");
    }
    if (isScbeError(error) && error.code !== "INTERNAL") return error;
    return new ScbeError("HANDLER_FAILED", `the handler of the gateway of ${this.provider} failed`);
  }

  #seal(request: OpenedRequest, answer: HandlerAnswer): EndpointAnswer {
    const { bus, sealer } = this.#ports;
    const sealed = sealer.sealResponse({ request, ...answer });
    const limit = bus.maxPayload;
    if (sealed.bytes.length + HEADER_BLOCK_BYTES <= limit) return { data: sealed.bytes, headers: SEALED };
    const tooLarge = new ScbeError("TOO_LARGE", `the response exceeds the bus's limit of ${limit} bytes`);
    return { data: sealer.sealResponse({ request, ...problem(tooLarge) }).bytes, headers: SEALED };
  }

  #cancel(data: Uint8Array): void {
    const id = this.#cancellations.note(data);
    if (id !== undefined) this.#opened.get(id)?.abort("cancelled");
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

  #lateAfter(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms).unref());
  }
}

/** For handlers that mind their signal; the others are left behind. */
const ABORT_GRACE_MS = 500;

function problem(error: ScbeError): HandlerAnswer {
  return { body: encodeProblem(error), contentType: PROBLEM_MEDIA_TYPE };
}
