import { isUint8Array } from "node:util/types";
import { encodeProblem, HEADERS, isScbeError, PROBLEM_MEDIA_TYPE, ScbeError, STATUS } from "@scbe/contracts";
import type { OpenedRequest, RequestHeader, Sealer } from "@scbe/envelope";
import { ATTRIBUTES, type Bus, type EndpointAnswer, type Logger, withSpan } from "@scbe/service-kit";
import type { Call } from "./call.ts";
import type { Handler, HandlerAnswer, OpenedCall } from "./gateway-options.ts";
import type { ShownCalls } from "./show-calls.ts";

export interface AnswererPorts {
  readonly provider: string;
  readonly handler: Handler;
  readonly bus: Bus;
  readonly sealer: Sealer;
  readonly log: Logger;
  readonly shown: ShownCalls | undefined;
}

const SEALED = { [HEADERS.status]: STATUS.sealed };
/** What NATS counts of an answer beside its data: the header block. */
const HEADER_BLOCK_BYTES = 64;
const SEAL = { attributes: { [ATTRIBUTES.phase]: "response" } };

/** Has the handler answer an opened request, and seals what it says, or why it says nothing. */
export class Answerer {
  readonly #ports: AnswererPorts;

  constructor(ports: AnswererPorts) {
    this.#ports = ports;
  }

  /** `undefined` when nobody waits for an answer any more. @throws ScbeError NO_KEYS when it can seal no more */
  async answer(request: OpenedRequest, call: Call): Promise<EndpointAnswer> {
    const answer = await this.#handle(request, call);
    return call.isAwaited ? this.#seal(request, answer) : undefined;
  }

  /**
   * No handler starts once its answer is not wanted any more. When the gateway stops, the caller need not wait for a
   * handler that does not mind its signal.
   */
  #handle(request: OpenedRequest, call: Call): Promise<HandlerAnswer> {
    return new Promise((resolve) => {
      call.onStopping(() => resolve(problem(stopping())));
      if (call.end === undefined) void this.#run(request, call).then(resolve);
      else resolve(problem(stopping()));
    });
  }

  /** Never rejects. */
  async #run(opened: OpenedRequest, call: Call): Promise<HandlerAnswer> {
    const startedAt = performance.now();
    const { provider, shown } = this.#ports;
    const tell = (result: "ok" | "failed"): void =>
      shown?.handled(provider, result, performance.now() - startedAt);
    try {
      const answer = await this.#callHandler(opened, call);
      tell("ok");
      return answer;
    } catch (error) {
      tell("failed");
      return problem(this.#publicError(error, opened.header.request_id, call));
    }
  }

  #callHandler({ header, body }: OpenedRequest, call: Call): Promise<HandlerAnswer> {
    return withSpan("scbe.handle", {}, async () => {
      const answer = await this.#ports.handler(new Handled(body, header, call));
      assertAnswer(answer);
      return answer;
    });
  }

  #publicError(error: unknown, requestId: string, call: Call): ScbeError {
    if (call.end === undefined) this.#warn(error, requestId);
    return isScbeError(error) && error.code !== "INTERNAL" ? error : this.#failed();
  }

  #seal(request: OpenedRequest, answer: HandlerAnswer): EndpointAnswer {
    const limit = this.#ports.bus.maxPayload;
    const data = answer.body.length < limit ? this.#sealLegal(request, answer) : undefined;
    if (data !== undefined && data.length + HEADER_BLOCK_BYTES <= limit) return { data, headers: SEALED };
    const tooLarge = new ScbeError("TOO_LARGE", `the response exceeds the bus's limit of ${limit} bytes`);
    return { data: this.#sealBytes(request, problem(tooLarge)), headers: SEALED };
  }

  /** What the handler gave and cannot stand in a header is its own fault, not its caller's. */
  #sealLegal(request: OpenedRequest, answer: HandlerAnswer): Uint8Array {
    try {
      return this.#sealBytes(request, answer);
    } catch (error) {
      if (!isScbeError(error, "BAD_REQUEST")) throw error;
      this.#warn(error, request.header.request_id);
      return this.#sealBytes(request, problem(this.#failed()));
    }
  }

  #sealBytes(request: OpenedRequest, { body, contentType, schemaHash }: HandlerAnswer): Uint8Array {
    const told = {
      ...(contentType !== undefined && { contentType }),
      ...(schemaHash !== undefined && { schemaHash }),
    };
    return withSpan("scbe.seal", SEAL, (span) => {
      const sealed = this.#ports.sealer.sealResponse({ request, body, ...told });
      span.setAttribute(ATTRIBUTES.kid, sealed.header.kid);
      return sealed.bytes;
    });
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
  readonly header: RequestHeader;
  readonly remainingMs: number;
  readonly #call: Call;

  constructor(body: Uint8Array, header: RequestHeader, call: Call) {
    this.body = body;
    this.header = header;
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

function problem(error: ScbeError): HandlerAnswer {
  return { body: encodeProblem(error), contentType: PROBLEM_MEDIA_TYPE };
}
