import { performance } from "node:perf_hooks";
import type { Context } from "@opentelemetry/api";
import {
  HEADERS,
  isInboxOf,
  isName,
  isScbeError,
  ScbeError,
  type SubjectToken,
  serviceErrorHeaders,
} from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { LogLimiter, UserRates } from "@scbe/runtime";
import type { Msg } from "nats";
import type { BusHeaders, EndpointAnswer, EndpointDefinition, EndpointRequest } from "../bus.ts";
import { extractTrace } from "../tracing/propagation.ts";
import { failSpan, inSpan, isTracing, processSpan, type Span } from "../tracing/spans.ts";
import { HeldAnswers } from "./held-answers.ts";
import { Received } from "./received.ts";

/** What an endpoint needs of its surroundings. */
export interface EndpointPorts {
  readonly log: Logger;
  /** The queue group that it serves in. */
  readonly queue: string;
  /** Aborts when draining takes too long. */
  readonly signal: AbortSignal;
  respond(reply: string, data: Uint8Array, headers: BusHeaders | undefined): void;
  /** A request found no place, or its user asks too often. */
  turnedAway(endpoint: string): void;
  /** An answer that was held back is not sent. */
  heldDropped(endpoint: string): void;
}

/** What an endpoint has done since it was made, as the services framework tells it (ADR-32). */
export interface EndpointStats {
  readonly requests: number;
  readonly errors: number;
  /** Code and public text of the last one; "" while there was none. */
  readonly lastError: string;
  /** Of all requests together. */
  readonly processingMs: number;
}

const CONCURRENCY_DEFAULT = 1024;
const EMPTY = new Uint8Array(0);

/** One endpoint of a service: decides what is let in, and that every request let in is answered. */
export class Endpoint {
  readonly definition: EndpointDefinition;
  readonly #ports: EndpointPorts;
  readonly #concurrency: number;
  readonly #pattern: readonly string[];
  /** Handlers at work for each provider, or each user and provider, that has any. */
  readonly #atWork = new Map<string, number>();
  readonly #held: HeldAnswers;
  readonly #drops = new LogLimiter();
  readonly #requestPorts: RequestPorts;
  /** Absent: the endpoint limits no user's rate. */
  readonly #rates: UserRates | undefined;
  /** Of those BUSY answers that each user is sent for its rate. */
  readonly #told: UserRates | undefined;
  #inFlight = 0;
  #requests = 0;
  #errors = 0;
  #lastError = "";
  #processingMs = 0;
  #onIdle: (() => void) | undefined;

  constructor(definition: EndpointDefinition, ports: EndpointPorts) {
    this.definition = definition;
    this.#ports = ports;
    this.#concurrency = definition.concurrency ?? CONCURRENCY_DEFAULT;
    this.#rates = definition.userRate && new UserRates(definition.userRate);
    this.#told = definition.userRate && new UserRates(definition.userRate);
    this.#held = new HeldAnswers({
      send: ({ reply, data, headers }) => this.#sendHeld(reply, data, headers),
      dropped: () => this.#heldDropped("there was no place for it"),
    });
    this.#requestPorts = {
      signal: ports.signal,
      respondEarly: (request, answer) => {
        if (answer.notBefore === undefined) ports.respond(request.replyTo, answer.data, answer.headers);
        else this.#hold(request, answer);
      },
    };
    this.#pattern = definition.subject.split(".");
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Answers that wait for their time. */
  get held(): number {
    return this.#held.size;
  }

  get stats(): EndpointStats {
    return {
      requests: this.#requests,
      errors: this.#errors,
      lastError: this.#lastError,
      processingMs: this.#processingMs,
    };
  }

  /** Resolves when no handler is at work, and no answer is held back. */
  async idle(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#held.idle();
  }

  /** Gives up what is held back. */
  dropHeld(): void {
    this.#held.clear();
  }

  /**
   * Takes one message. The asker chooses the reply subject, and the service has the right to publish there: so a request whose
   * reply is not in the asking user's own inbox is dropped. Names are taken from a subject only after it matched the endpoint's own.
   */
  receive(message: Msg): void {
    const arrivedAt = performance.now();
    const names = this.#namesIn(message.subject);
    const { reply } = message;
    if (names === undefined || reply === undefined || !isInboxOf(reply, names.user, this.definition.askers)) {
      this.#ports.log.debug(
        { endpoint: this.definition.name },
        "a request with a foreign reply subject was dropped",
      );
      return;
    }
    this.#requests += 1;
    if (this.#rates?.take(names.user, arrivedAt) === false) {
      // A flood is answered no more than it may ask: else its answers would cost what its questions do not.
      if (this.#told?.take(names.user, arrivedAt)) this.#turnAway(reply);
      else this.#ports.turnedAway(this.definition.name);
      return;
    }
    const place = this.definition.placesOf === "user" ? `${names.user} ${names.provider}` : names.provider;
    if ((this.#atWork.get(place) ?? 0) >= this.#concurrency) this.#turnAway(reply);
    else this.#trace(new Request(message, { reply, place, arrivedAt, ...names }, this.#requestPorts));
  }

  /** The names that a subject carries; undefined when it is none of this endpoint's. */
  #namesIn(subject: string): Names | undefined {
    const { tokens = [] } = this.definition;
    const parts = subject.split(".");
    const pattern = this.#pattern;
    if (parts.length !== pattern.length) return undefined;
    for (const [index, expected] of pattern.entries()) {
      const part = parts[index] ?? "";
      if (expected === "*" ? !isName(part) : part !== expected) return undefined;
    }
    const names = { user: "", provider: "", intent: "" };
    const first = parts.length - tokens.length;
    for (const [index, token] of tokens.entries()) names[token] = parts[first + index] ?? "";
    return names;
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
    if (onBusy === undefined) {
      this.#fail(reply, new ScbeError("BUSY", `${name} has all the work it can take`));
      return;
    }
    this.#ports.turnedAway(name);
    this.#answer(reply, onBusy());
  }

  #handle(request: Request, span?: Span): void {
    const { place } = request;
    this.#inFlight += 1;
    this.#atWork.set(place, (this.#atWork.get(place) ?? 0) + 1);
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

  #finish(request: Request, answer: EndpointAnswer, span: Span | undefined): void {
    if (answer?.notBefore === undefined) this.#answer(request.replyTo, answer, span);
    else this.#hold(request, answer);
    span?.end();
    this.#done(request);
  }

  #finishBadly(request: Request, error: unknown, span: Span | undefined): void {
    if (span !== undefined) failSpan(span, error);
    this.#fail(request.replyTo, error);
    span?.end();
    this.#done(request);
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

  #hold({ replyTo, place }: Request, { data, headers, notBefore = 0 }: Answer): void {
    this.#held.add({ place, reply: replyTo, data, headers, notBefore });
  }

  #sendHeld(reply: string, data: Uint8Array, headers: BusHeaders | undefined): void {
    try {
      this.#ports.respond(reply, data, headers);
    } catch {
      this.#heldDropped("it could not be sent");
    }
  }

  #heldDropped(why: string): void {
    const { log, heldDropped } = this.#ports;
    const endpoint = this.definition.name;
    heldDropped(endpoint);
    this.#drops.note(performance.now(), (count) =>
      log.warn({ endpoint, why, count }, "answers that were held back are not sent"),
    );
  }

  /** The asker reads the code and the public text; the cause goes to the log alone. */
  #fail(reply: string, error: unknown): void {
    const { log } = this.#ports;
    const endpoint = this.definition.name;
    const known = isScbeError(error) ? error : new ScbeError("INTERNAL", "internal error", { cause: error });
    if (known.code === "INTERNAL") log.error({ endpoint, err: known }, "a request failed by a defect");
    else if (known.cause !== undefined) log.warn({ endpoint, err: known }, "a request failed");
    else log.debug({ endpoint, code: known.code }, known.message);
    if (known.code === "BUSY") this.#ports.turnedAway(endpoint);
    this.#errors += 1;
    this.#lastError = `${known.code}: ${known.message}`;
    try {
      this.#ports.respond(reply, EMPTY, serviceErrorHeaders(known));
    } catch (lost) {
      this.#lost(lost);
    }
  }

  #lost(error: unknown): void {
    this.#ports.log.warn({ endpoint: this.definition.name, err: error }, "an answer could not be sent");
  }

  #done({ place, arrivedAt }: Request): void {
    this.#processingMs += performance.now() - arrivedAt;
    const left = (this.#atWork.get(place) ?? 0) - 1;
    if (left > 0) this.#atWork.set(place, left);
    else this.#atWork.delete(place);
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }
}

type Answer = NonNullable<EndpointAnswer>;

interface RequestPorts {
  readonly signal: AbortSignal;
  respondEarly(request: Request, answer: Answer): void;
}

type Names = Readonly<Record<SubjectToken, string>>;

interface Arrival extends Names {
  readonly reply: string;
  /** Whose place its handler takes. */
  readonly place: string;
  readonly arrivedAt: number;
}

/** A request that was let in. */
class Request extends Received implements EndpointRequest {
  readonly replyTo: string;
  readonly user: string;
  readonly provider: string;
  readonly intent: string;
  readonly place: string;
  readonly arrivedAt: number;
  readonly #ports: RequestPorts;

  constructor(message: Msg, arrival: Arrival, ports: RequestPorts) {
    super(message);
    this.replyTo = arrival.reply;
    this.user = arrival.user;
    this.provider = arrival.provider;
    this.intent = arrival.intent;
    this.place = arrival.place;
    this.arrivedAt = arrival.arrivedAt;
    this.#ports = ports;
  }

  get signal(): AbortSignal {
    return this.#ports.signal;
  }

  respondEarly(answer: EndpointAnswer): void {
    if (answer !== undefined) this.#ports.respondEarly(this, answer);
  }
}
