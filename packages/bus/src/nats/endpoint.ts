import { performance } from "node:perf_hooks";
import type { Context } from "@opentelemetry/api";
import { HEADERS, isInboxOf, isScbeError, ScbeError, serviceErrorHeaders } from "@scbe/contracts";
import { type Logger, LogLimiter, Places, UserRates } from "@scbe/runtime";
import type { Msg } from "nats";
import type { BusHeaders, EndpointAnswer, EndpointDefinition } from "../bus.ts";
import { extractTrace, processSpan } from "../tracing/messages.ts";
import { failSpan, inSpan, isTracing, type Span } from "../tracing/spans.ts";
import { HeldAnswers } from "./held-answers.ts";
import { IncomingRequest, type RequestPorts, subjectNames } from "./incoming-request.ts";

/** What an endpoint uses of its service. */
export interface EndpointPorts {
  readonly log: Logger;
  /** The queue group. */
  readonly queue: string;
  /** Aborts if draining takes too long. */
  readonly signal: AbortSignal;
  respond(reply: string, data: Uint8Array, headers: BusHeaders | undefined): void;
  /** A request found no free place, or its user exceeds the rate. */
  turnedAway(endpoint: string): void;
  /** A held answer was dropped. */
  heldDropped(endpoint: string): void;
}

/** The counts of an endpoint since its creation, as the NATS services framework defines them (ADR-32). */
export interface EndpointStats {
  readonly requests: number;
  readonly errors: number;
  /** Code and public text of the last error; "" if there was none. */
  readonly lastError: string;
  /** Of all requests together. */
  readonly processingMs: number;
}

const CONCURRENCY_DEFAULT = 1024;
const EMPTY = new Uint8Array(0);

/** One endpoint of a service: decides which requests it accepts, and answers every accepted one. */
export class Endpoint {
  readonly definition: EndpointDefinition;
  readonly #ports: EndpointPorts;
  readonly #pattern: readonly string[];
  /** One for each running handler, by provider, or by user and provider. */
  readonly #places: Places;
  readonly #held: HeldAnswers;
  readonly #drops = new LogLimiter();
  readonly #requestPorts: RequestPorts;
  /** Undefined if the endpoint does not limit the rate of users. */
  readonly #rates: UserRates | undefined;
  /** The rate of the BUSY answers to each user that exceeds its rate. */
  readonly #busyRates: UserRates | undefined;
  #inFlight = 0;
  #requests = 0;
  #errors = 0;
  #lastError = "";
  #processingMs = 0;
  #onIdle: (() => void) | undefined;

  constructor(definition: EndpointDefinition, ports: EndpointPorts) {
    this.definition = definition;
    this.#ports = ports;
    this.#pattern = definition.subject.split(".");
    this.#places = new Places(definition.concurrency ?? CONCURRENCY_DEFAULT);
    this.#rates = definition.userRate && new UserRates(definition.userRate);
    this.#busyRates = definition.userRate && new UserRates(definition.userRate);
    this.#held = new HeldAnswers({
      send: ({ reply, data, headers }) => this.#sendHeld(reply, data, headers),
      dropped: () => this.#heldDropped("the pool was full"),
    });
    this.#requestPorts = {
      signal: ports.signal,
      respondEarly: (request, answer) => {
        if (answer.notBefore === undefined) ports.respond(request.replyTo, answer.data, answer.headers);
        else this.#hold(request, answer);
      },
    };
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

  /** Resolves when no handler is running, and no answer is held. */
  async idle(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#held.idle();
  }

  /** Drops all held answers. */
  dropHeld(): void {
    this.#held.clear();
  }

  /**
   * Takes one message. The sender chooses the reply subject, and the service may publish to it: so a request whose reply is not in the sending
   * user's own inbox is dropped. The names in a subject count only if it matches the endpoint's own.
   */
  receive(message: Msg): void {
    const arrivedAt = performance.now();
    const { askers, name, placesOf, tokens = [] } = this.definition;
    const names = subjectNames(message.subject, this.#pattern, tokens);
    const { reply } = message;
    if (names === undefined || reply === undefined || !isInboxOf(reply, names.user, askers)) {
      this.#ports.log.debug({ endpoint: name }, "a request with a foreign reply subject was dropped");
      return;
    }
    this.#requests += 1;
    if (this.#rates?.take(names.user, arrivedAt) === false) {
      // BUSY answers have a rate, too: otherwise the answers to a flood would cost what its requests do not.
      if (this.#busyRates?.take(names.user, arrivedAt)) this.#turnAway(reply);
      else this.#ports.turnedAway(name);
      return;
    }
    const place = placesOf === "user" ? `${names.user} ${names.provider}` : names.provider;
    if (!this.#places.hasFree(place)) this.#turnAway(reply);
    else this.#trace(new IncomingRequest(message, { reply, place, arrivedAt, ...names }, this.#requestPorts));
  }

  /** Handles the request in its sender's trace. */
  #trace(request: IncomingRequest): void {
    const parent = this.#traceOf(request);
    if (parent === undefined) {
      this.#handle(request);
      return;
    }
    const facts = { queue: this.#ports.queue, bytes: request.data.length };
    const span = processSpan(request.subject, facts, parent);
    inSpan(span, () => this.#handle(request, span), parent);
  }

  /** The parent of the request's span; undefined if it has none. */
  #traceOf(request: IncomingRequest): Context | undefined {
    const { trace = "join" } = this.definition;
    if (trace === "none" || !isTracing()) return undefined;
    if (trace === "join" && request.header(HEADERS.traceparent) === undefined) return undefined;
    return extractTrace((name) => request.header(name));
  }

  #turnAway(reply: string): void {
    const { onBusy, name } = this.definition;
    if (onBusy === undefined) {
      this.#fail(reply, new ScbeError("BUSY", `${name} has no free place now`));
      return;
    }
    this.#ports.turnedAway(name);
    this.#answer(reply, onBusy());
  }

  #handle(request: IncomingRequest, span?: Span): void {
    this.#inFlight += 1;
    this.#places.take(request.place);
    try {
      const answer = this.definition.handler(request);
      if (answer instanceof Promise) {
        answer.then(
          (value) => this.#finish(request, value, span),
          (error) => this.#finishFailed(request, error, span),
        );
      } else this.#finish(request, answer, span);
    } catch (error) {
      this.#finishFailed(request, error, span);
    }
  }

  #finish(request: IncomingRequest, answer: EndpointAnswer, span: Span | undefined): void {
    if (answer?.notBefore === undefined) this.#answer(request.replyTo, answer, span);
    else this.#hold(request, answer);
    span?.end();
    this.#done(request);
  }

  #finishFailed(request: IncomingRequest, error: unknown, span: Span | undefined): void {
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

  #hold({ replyTo, place }: IncomingRequest, answer: NonNullable<EndpointAnswer>): void {
    const { data, headers, notBefore = 0 } = answer;
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
      log.warn({ endpoint, why, count }, "held answers were dropped"),
    );
  }

  /** The answer has the code and the public text; only the log has the cause. */
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

  #done({ place, arrivedAt }: IncomingRequest): void {
    this.#processingMs += performance.now() - arrivedAt;
    this.#places.release(place);
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }
}
