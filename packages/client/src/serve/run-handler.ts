import { isUint8Array } from "node:util/types";
import { type Bus, type EndpointAnswer, withSpan } from "@scbe/bus";
import {
  encodeProblem,
  isScbeError,
  PROBLEM_MEDIA_TYPE,
  ScbeError,
  type UnsealedResult,
} from "@scbe/contracts";
import { counter, gauge, histogram, type Logger, type MetricsRegistry, watchGauge } from "@scbe/runtime";
import type { Call } from "./call.ts";
import type { IncomingRequest } from "./incoming-request.ts";
import type { CallHeader, Handler, HandlerAnswer, OpenedCall } from "./options.ts";

export interface HandlerRunnerPorts {
  readonly provider: string;
  readonly handler: Handler;
  readonly bus: Bus;
  readonly log: Logger;
  readonly metrics: CallMetrics | undefined;
}

/** Runs the handler for a request, and replies with its answer or with the problem that prevented one. */
export class HandlerRunner {
  readonly #ports: HandlerRunnerPorts;

  constructor(ports: HandlerRunnerPorts) {
    this.#ports = ports;
  }

  /** `undefined` if the caller no longer waits. @throws ScbeError NO_KEYS or SWITCHED_OFF if it can no longer seal */
  async answer(request: IncomingRequest, call: Call): Promise<EndpointAnswer> {
    const answer = await this.#handle(request, call);
    if (call.end === "switched_off") throw switchedOff();
    return call.isAwaited ? this.#reply(request, answer) : undefined;
  }

  /**
   * Starts no handler for a call that has ended. Resolves at once when the gateway stops or is switched off, even if the handler
   * ignores its signal.
   */
  #handle(request: IncomingRequest, call: Call): Promise<HandlerAnswer> {
    return new Promise((resolve) => {
      call.onAbandoned(() => resolve(problem(stopping())));
      if (call.end === undefined) void this.#run(request, call).then(resolve);
      else resolve(problem(stopping()));
    });
  }

  /** Never rejects. */
  async #run(request: IncomingRequest, call: Call): Promise<HandlerAnswer> {
    const startedAt = performance.now();
    const { provider, metrics } = this.#ports;
    const count = (result: "ok" | "failed"): void =>
      metrics?.handled(provider, result, performance.now() - startedAt);
    try {
      const answer = await this.#callHandler(request, call);
      count("ok");
      return answer;
    } catch (error) {
      count("failed");
      return problem(this.#publicError(error, request.header.request_id, call));
    }
  }

  #callHandler(request: IncomingRequest, call: Call): Promise<HandlerAnswer> {
    return withSpan("scbe.handle", {}, async () => {
      const answer = await this.#ports.handler(new HandlerCall(request, call));
      assertAnswer(answer);
      return answer;
    });
  }

  #publicError(error: unknown, requestId: string, call: Call): ScbeError {
    if (call.end === undefined) this.#warn(error, requestId);
    return isScbeError(error) && error.code !== "INTERNAL" ? error : this.#handlerFailed();
  }

  #reply(request: IncomingRequest, answer: HandlerAnswer): EndpointAnswer {
    const limit = this.#ports.bus.maxPayload;
    const reply = answer.body.length < limit ? this.#replyValid(request, answer) : undefined;
    if (reply !== undefined && reply.data.length + request.headerBytesMax <= limit) return reply;
    const tooLarge = new ScbeError("TOO_LARGE", `the response exceeds the bus's limit of ${limit} bytes`);
    return request.reply(problem(tooLarge));
  }

  /** BAD_REQUEST for the handler's own answer is the handler's fault, not the caller's. */
  #replyValid(request: IncomingRequest, answer: HandlerAnswer): NonNullable<EndpointAnswer> {
    try {
      return request.reply(answer);
    } catch (error) {
      if (!isScbeError(error, "BAD_REQUEST")) throw error;
      this.#warn(error, request.header.request_id);
      return request.reply(problem(this.#handlerFailed()));
    }
  }

  #warn(error: unknown, requestId: string): void {
    const { log, provider } = this.#ports;
    log.warn({ provider, requestId, err: error }, "the handler failed");
  }

  #handlerFailed(): ScbeError {
    return new ScbeError("HANDLER_FAILED", `the handler of the gateway of ${this.#ports.provider} failed`);
  }
}

/** The handler's argument. A class: V8 creates and keeps a hidden class for every object literal with a getter. */
class HandlerCall implements OpenedCall {
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

/** Handlers can be plain JavaScript, or forward what a provider returned. @throws TypeError */
function assertAnswer(answer: HandlerAnswer): void {
  if (!isUint8Array((answer as HandlerAnswer | undefined)?.body)) {
    throw new TypeError("a handler must return an object whose body is a Uint8Array");
  }
  if (answer.contentType === PROBLEM_MEDIA_TYPE) {
    throw new TypeError(`a handler must not return ${PROBLEM_MEDIA_TYPE}: throw an ScbeError`);
  }
}

function stopping(): ScbeError {
  return new ScbeError("NOT_READY", "the gateway is stopping");
}

function switchedOff(): ScbeError {
  return new ScbeError("SWITCHED_OFF", "the provider was switched off during the request");
}

function problem(error: ScbeError): HandlerAnswer {
  return { body: encodeProblem(error), contentType: PROBLEM_MEDIA_TYPE };
}

/** The metrics of a gateway's calls. */
export interface CallMetrics {
  handled(provider: string, result: "ok" | "failed", ms: number): void;
  /** Counts a request that arrived without a seal. */
  unsealed(provider: string, result: UnsealedResult): void;
  /** Exports the number of open calls of a provider until disposed. */
  serve(provider: string, inFlight: () => number): Disposable;
}

export function callMetrics(metrics: MetricsRegistry, providers: readonly string[]): CallMetrics {
  const handlerMs = histogram(metrics, "scbe_gateway_handler_ms", { provider: providers });
  const unsealed = counter(metrics, "scbe_gateway_unsealed_calls_total", { provider: providers });
  gauge(metrics, "scbe_gateway_calls_in_flight", { provider: providers });
  return {
    handled: (provider, result, ms) => handlerMs.observe({ provider, result }, ms),
    unsealed: (provider, result) => unsealed.inc({ provider, result }),
    serve: (provider, inFlight) =>
      watchGauge(metrics, "scbe_gateway_calls_in_flight", () => [[{ provider }, inFlight()]]),
  };
}
