import { isUint8Array } from "node:util/types";
import { type Bus, type EndpointAnswer, withSpan } from "@scbe/bus";
import { encodeProblem, isScbeError, PROBLEM_MEDIA_TYPE, ScbeError } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import type { Call } from "./call.ts";
import type { CallMetrics } from "./call-metrics.ts";
import type { CallHeader, Handler, HandlerAnswer, OpenedCall } from "./gateway-options.ts";
import type { IncomingRequest } from "./incoming-request.ts";

export interface HandlerRunnerPorts {
  readonly provider: string;
  readonly handler: Handler;
  readonly bus: Bus;
  readonly log: Logger;
  readonly shown: CallMetrics | undefined;
}

/** Has the handler answer a request, and sends back what it says, or why it says nothing. */
export class HandlerRunner {
  readonly #ports: HandlerRunnerPorts;

  constructor(ports: HandlerRunnerPorts) {
    this.#ports = ports;
  }

  /** `undefined` when nobody waits for an answer any more. @throws ScbeError NO_KEYS or SWITCHED_OFF when it can seal no more */
  async answer(question: IncomingRequest, call: Call): Promise<EndpointAnswer> {
    const answer = await this.#handle(question, call);
    if (call.end === "switched_off") throw switchedOff();
    return call.isAwaited ? this.#reply(question, answer) : undefined;
  }

  /**
   * No handler starts once its answer is not wanted any more. When the gateway stops, or is switched off, the caller need not
   * wait for a handler that does not mind its signal.
   */
  #handle(question: IncomingRequest, call: Call): Promise<HandlerAnswer> {
    return new Promise((resolve) => {
      call.onForgone(() => resolve(problem(stopping())));
      if (call.end === undefined) void this.#run(question, call).then(resolve);
      else resolve(problem(stopping()));
    });
  }

  /** Never rejects. */
  async #run(question: IncomingRequest, call: Call): Promise<HandlerAnswer> {
    const startedAt = performance.now();
    const { provider, shown } = this.#ports;
    const tell = (result: "ok" | "failed"): void =>
      shown?.handled(provider, result, performance.now() - startedAt);
    try {
      const answer = await this.#callHandler(question, call);
      tell("ok");
      return answer;
    } catch (error) {
      tell("failed");
      return problem(this.#publicError(error, question.header.request_id, call));
    }
  }

  #callHandler(question: IncomingRequest, call: Call): Promise<HandlerAnswer> {
    return withSpan("scbe.handle", {}, async () => {
      const answer = await this.#ports.handler(new Handled(question, call));
      assertAnswer(answer);
      return answer;
    });
  }

  #publicError(error: unknown, requestId: string, call: Call): ScbeError {
    if (call.end === undefined) this.#warn(error, requestId);
    return isScbeError(error) && error.code !== "INTERNAL" ? error : this.#failed();
  }

  #reply(question: IncomingRequest, answer: HandlerAnswer): EndpointAnswer {
    const limit = this.#ports.bus.maxPayload;
    const reply = answer.body.length < limit ? this.#replyLegal(question, answer) : undefined;
    if (reply !== undefined && reply.data.length + question.headerBytesMax <= limit) return reply;
    const tooLarge = new ScbeError("TOO_LARGE", `the response exceeds the bus's limit of ${limit} bytes`);
    return question.reply(problem(tooLarge));
  }

  /** What the handler gave and cannot stand in a header is its own fault, not its caller's. */
  #replyLegal(question: IncomingRequest, answer: HandlerAnswer): NonNullable<EndpointAnswer> {
    try {
      return question.reply(answer);
    } catch (error) {
      if (!isScbeError(error, "BAD_REQUEST")) throw error;
      this.#warn(error, question.header.request_id);
      return question.reply(problem(this.#failed()));
    }
  }

  #warn(error: unknown, requestId: string): void {
    const { log, provider } = this.#ports;
    log.warn({ provider, requestId, err: error }, "the handler failed");
  }

  #failed(): ScbeError {
    return new ScbeError("HANDLER_FAILED", `the handler of the gateway of ${this.#ports.provider} failed`);
  }
}

/** What a handler is given. A class: V8 would give every object with a getter of its own a shape of its own, and keep it. */
class Handled implements OpenedCall {
  readonly body: Uint8Array;
  readonly header: CallHeader;
  readonly isSealed: boolean;
  readonly remainingMs: number;
  readonly #call: Call;

  constructor({ body, header, isSealed }: IncomingRequest, call: Call) {
    this.body = body;
    this.header = header;
    this.isSealed = isSealed;
    this.remainingMs = call.remainingMs;
    this.#call = call;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }
}

/** A handler need not be TypeScript, and may pass on what a provider said. @throws TypeError */
function assertAnswer(answer: HandlerAnswer): void {
  if (!isUint8Array((answer as HandlerAnswer | undefined)?.body)) {
    throw new TypeError("a handler must return an object whose body is a Uint8Array");
  }
  if (answer.contentType === PROBLEM_MEDIA_TYPE) {
    throw new TypeError(`${PROBLEM_MEDIA_TYPE} is not for handlers: throw an ScbeError`);
  }
}

function stopping(): ScbeError {
  return new ScbeError("NOT_READY", "the gateway is stopping");
}

function switchedOff(): ScbeError {
  return new ScbeError("SWITCHED_OFF", "the provider was switched off while the request was at work");
}

function problem(error: ScbeError): HandlerAnswer {
  return { body: encodeProblem(error), contentType: PROBLEM_MEDIA_TYPE };
}
