import { randomUUID } from "node:crypto";
import { isUint8Array } from "node:util/types";
import { ATTRIBUTES, beginSpan, describeRequest, failSpan, inSpan, type Span, traceIdOf } from "@scbe/bus";
import { isScbeError, ScbeError } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { type Logger, Slots } from "@scbe/runtime";
import type { OwnLatches } from "@scbe/verifier";
import type { AttemptPorts } from "./attempt.ts";
import { Deadline } from "./deadline.ts";
import type { RequestExchange } from "./exchange.ts";
import { checkExpectations } from "./expectations.ts";
import { Failover } from "./failover.ts";
import { Outcomes } from "./outcomes/outcomes.ts";
import { type RequestMetrics, requestMetrics } from "./request-metrics.ts";
import type { Answer, CandidatesOptions, RequestContent, RequestOptions } from "./request-options.ts";
import { resolveCandidates } from "./resolve-candidates.ts";

export interface RequesterPorts extends Omit<AttemptPorts, "flights" | "shown" | "outcomes"> {
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly timeoutMsMax: number;
  readonly latches: OwnLatches;
  /** `SCBE_TRUST_TIMEOUT_MIN_MS` */
  readonly timeoutMinMs: number;
  /** False: the deployment has no trust scorers, and nothing is told. */
  readonly isTold: boolean;
}

/** Sends requests. Disposing ends those that are open, tells their gateways, and sends what the trust stream does not know yet. */
export class Requester implements AsyncDisposable {
  readonly #ports: AttemptPorts;
  readonly #timeoutMsMax: number;
  readonly #open = new Slots<Deadline>();
  readonly #flights = new Slots<RequestExchange>();
  readonly #following: Disposable;
  readonly #shown: RequestMetrics;
  readonly #outcomes: Outcomes;
  #closed = false;

  constructor({ log, metrics, timeoutMsMax, latches, timeoutMinMs, isTold, ...ports }: RequesterPorts) {
    const { bus, clock } = ports;
    const outcomes = new Outcomes({ bus, clock, log, metrics, latches, timeoutMinMs, isTold });
    this.#shown = requestMetrics(metrics, ports.common.providers, () => this.#open.size);
    this.#outcomes = outcomes;
    this.#ports = { ...ports, outcomes, flights: this.#flights, shown: this.#shown };
    this.#timeoutMsMax = timeoutMsMax;
    this.#following = ports.control.onChange(() => {
      for (const flight of this.#flights) flight.obey();
    });
  }

  /** See `Client.request`. */
  async request(options: RequestOptions | CandidatesOptions): Promise<Answer> {
    const { requestId = randomUUID() } = options;
    const span = beginSpan("scbe.request");
    try {
      const course = new Failover(this.#ports, resolveCandidates(options), requestId);
      return await inSpan(span, () => this.#follow(course, options, requestId, span));
    } catch (error) {
      failSpan(span, error);
      throw withRequestId(error, requestId);
    } finally {
      span.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const patience of this.#open) patience.end(closed());
    this.#following[Symbol.dispose]();
    this.#shown[Symbol.dispose]();
    await this.#outcomes[Symbol.asyncDispose]();
  }

  /** Counts a course under whoever has served it, or was asked last. */
  async #follow(course: Failover, content: RequestContent, requestId: string, span: Span): Promise<Answer> {
    const startedAt = performance.now();
    const ended = (error?: unknown): void =>
      this.#shown.ended(course.asked.provider, performance.now() - startedAt, error);
    try {
      const answer = await this.#run(course, content, requestId, span);
      ended();
      return answer;
    } catch (error) {
      ended(error);
      throw error;
    }
  }

  async #run(course: Failover, content: RequestContent, requestId: string, span: Span): Promise<Answer> {
    if (this.#closed) throw closed();
    if (!isUint8Array(content.body)) throw new ScbeError("BAD_REQUEST", "body must be a Uint8Array");
    if (content.expects !== undefined) checkExpectations(content.expects);
    const timeoutMs = timeoutOf(content, this.#timeoutMsMax);
    const startedAt = performance.now();
    using patience = new Deadline({ timeoutMs, signal: content.signal, among: this.#open });
    try {
      const { body, contentType, header } = await course.run(patience);
      const traceId = traceIdOf(span);
      return {
        body,
        contentType,
        ...(header && { header }),
        requestId,
        provider: course.asked.provider,
        passedOver: course.passedOver,
        isSealed: header !== undefined,
        envelopes: course.envelopes,
        sealMs: course.sealMs,
        roundTripMs: performance.now() - startedAt,
        ...(traceId !== undefined && { traceId }),
      };
    } finally {
      describeRequest(span, { ...course.asked, requestId });
      span.setAttribute(ATTRIBUTES.envelopes, course.envelopes);
    }
  }
}

/** Another error of the same code and text: the bus has one for all that were waiting when its connection was lost. */
function withRequestId(error: unknown, requestId: string): unknown {
  if (!isScbeError(error)) return error;
  const { code, message, cause } = error;
  return new ScbeError(code, message, { requestId, ...(cause !== undefined && { cause }) });
}

/** @throws ScbeError BAD_REQUEST */
function timeoutOf({ timeoutMs }: RequestContent, max: number): number {
  if (timeoutMs === undefined) return max;
  if (timeoutMs > 0 && timeoutMs <= max) return timeoutMs;
  throw new ScbeError("BAD_REQUEST", `timeoutMs is ${timeoutMs}; it must be above 0 and at most ${max}`);
}

function closed(): ScbeError {
  return new ScbeError("ABORTED", "the client is closed");
}
