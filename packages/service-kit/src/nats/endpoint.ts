import { performance } from "node:perf_hooks";
import type { Context } from "@opentelemetry/api";
import { HEADERS, isName, isScbeError, ScbeError, serviceErrorHeaders } from "@scbe/contracts";
import type { Msg } from "nats";
import type { BusHeaders, EndpointAnswer, EndpointDefinition, EndpointRequest } from "../bus.ts";
import type { Logger } from "../logger.ts";
import { extractTrace } from "../tracing/propagation.ts";
import { failSpan, inSpan, isTracing, processSpan, type Span } from "../tracing/spans.ts";
import { Received } from "./received.ts";

/** What an endpoint needs of its surroundings. */
export interface EndpointPorts {
  readonly log: Logger;
  /** The queue group that it serves in. */
  readonly queue: string;
  /** Aborts when draining takes too long. */
  readonly signal: AbortSignal;
  respond(reply: string, data: Uint8Array, headers: BusHeaders | undefined): void;
  /** A request found it full. */
  turnedAway(endpoint: string): void;
}

const CONCURRENCY_DEFAULT = 1024;
const EMPTY = new Uint8Array(0);

/** One endpoint of a service: decides what is let in, and that every request let in is answered. */
export class Endpoint {
  readonly definition: EndpointDefinition;
  readonly #ports: EndpointPorts;
  readonly #concurrency: number;
  /** Handlers at work for each provider that has any. */
  readonly #atWork = new Map<string, number>();
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(definition: EndpointDefinition, ports: EndpointPorts) {
    this.definition = definition;
    this.#ports = ports;
    this.#concurrency = definition.concurrency ?? CONCURRENCY_DEFAULT;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Resolves when no handler is at work. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /**
   * Takes one message. Who asks chooses the reply subject, and the responder has the right to publish there: so
   * anything but an inbox is dropped. Whoever may create a JetStream consumer can have messages delivered into any
   * subject: so the subject is checked against the endpoint's own before the provider is taken from it.
   */
  receive(message: Msg): void {
    const arrivedAt = performance.now();
    const provider = providerIn(this.definition.subject, message.subject);
    const { reply } = message;
    if (provider === undefined || reply === undefined || !reply.startsWith("_INBOX")) {
      this.#ports.log.debug(
        { endpoint: this.definition.name },
        "a request that no client of ours makes was dropped",
      );
      return;
    }
    if ((this.#atWork.get(provider) ?? 0) >= this.#concurrency) this.#turnAway(reply);
    else this.#trace(new Request(message, reply, provider, arrivedAt, this.#ports));
  }

  /** Whatever the handler does and logs belongs to the asker's trace. */
  #trace(request: Request): void {
    const parent = this.#traceOf(request);
    if (parent === undefined) {
      this.#handle(request);
      return;
    }
    const facts = { queue: this.#ports.queue, bytes: request.data.length };
    const span = processSpan(request.subject, facts, parent);
    inSpan(span, () => this.#handle(request, span), parent);
  }

  /** What a span of the request is to be below; undefined: it has none. */
  #traceOf(request: Request): Context | undefined {
    const { trace = "join" } = this.definition;
    if (trace === "none" || !isTracing()) return undefined;
    if (trace === "join" && request.header(HEADERS.traceparent) === undefined) return undefined;
    return extractTrace((name) => request.header(name));
  }

  #turnAway(reply: string): void {
    const { onBusy, name } = this.definition;
    this.#ports.turnedAway(name);
    if (onBusy === undefined)
      this.#fail(reply, new ScbeError("BUSY", `${name} has all the work it can take`));
    else this.#answer(reply, onBusy());
  }

  #handle(request: Request, span?: Span): void {
    const { provider } = request;
    this.#inFlight += 1;
    this.#atWork.set(provider, (this.#atWork.get(provider) ?? 0) + 1);
    try {
      const answer = this.definition.handler(request);
      if (answer instanceof Promise) {
        answer.then(
          (value) => this.#finish(request, value, span),
          (error) => this.#finishBadly(request, error, span),
        );
      } else this.#finish(request, answer, span);
    } catch (error) {
      this.#finishBadly(request, error, span);
    }
  }

  #finish({ replyTo, provider }: Request, answer: EndpointAnswer, span: Span | undefined): void {
    this.#answer(replyTo, answer, span);
    span?.end();
    this.#done(provider);
  }

  #finishBadly({ replyTo, provider }: Request, error: unknown, span: Span | undefined): void {
    if (span !== undefined) failSpan(span, error);
    this.#fail(replyTo, error);
    span?.end();
    this.#done(provider);
  }

  #answer(reply: string, answer: EndpointAnswer, span?: Span): void {
    if (answer === undefined) return;
    try {
      this.#ports.respond(reply, answer.data, answer.headers);
    } catch (error) {
      if (span !== undefined) failSpan(span, error);
      if (isScbeError(error, "DISCONNECTED")) this.#lost(error);
      else this.#fail(reply, error);
    }
  }

  /** The asker reads the code and the public text; the cause goes to the log alone. */
  #fail(reply: string, error: unknown): void {
    const { log } = this.#ports;
    const endpoint = this.definition.name;
    const known = isScbeError(error) ? error : new ScbeError("INTERNAL", "internal error", { cause: error });
    if (known.code === "INTERNAL") log.error({ endpoint, err: known }, "a request failed by a defect");
    else if (known.cause !== undefined) log.warn({ endpoint, err: known }, "a request failed");
    else log.debug({ endpoint, code: known.code }, known.message);
    try {
      this.#ports.respond(reply, EMPTY, serviceErrorHeaders(known));
    } catch (lost) {
      this.#lost(lost);
    }
  }

  #lost(error: unknown): void {
    this.#ports.log.warn({ endpoint: this.definition.name, err: error }, "an answer could not be sent");
  }

  #done(provider: string): void {
    const left = (this.#atWork.get(provider) ?? 0) - 1;
    if (left > 0) this.#atWork.set(provider, left);
    else this.#atWork.delete(provider);
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }
}

/** A request that was let in. */
class Request extends Received implements EndpointRequest {
  readonly replyTo: string;
  readonly provider: string;
  readonly arrivedAt: number;
  readonly #ports: EndpointPorts;

  constructor(message: Msg, reply: string, provider: string, arrivedAt: number, ports: EndpointPorts) {
    super(message);
    this.replyTo = reply;
    this.provider = provider;
    this.arrivedAt = arrivedAt;
    this.#ports = ports;
  }

  get signal(): AbortSignal {
    return this.#ports.signal;
  }

  respondEarly(answer: EndpointAnswer): void {
    if (answer !== undefined) this.#ports.respond(this.replyTo, answer.data, answer.headers);
  }
}

/** The last token where `pattern` ends in `.*`, "" where it has none; `undefined` when `subject` does not match. */
function providerIn(pattern: string, subject: string): string | undefined {
  if (!pattern.endsWith(".*")) return subject === pattern ? "" : undefined;
  const start = pattern.length - 1;
  if (subject.length <= start || !subject.startsWith(pattern.slice(0, start))) return undefined;
  const provider = subject.slice(start);
  return isName(provider) ? provider : undefined;
}
