import { randomUUID } from "node:crypto";
import { isUint8Array } from "node:util/types";
import { ATTRIBUTES, beginSpan, describeRequest, failSpan, inSpan, type Span, traceIdOf } from "@scbe/bus";
import { errorCode, isScbeError, ScbeError } from "@scbe/contracts";
import { counter, histogram, type Logger, type MetricsRegistry, Slots, watchGauge } from "@scbe/runtime";
import type { OwnLatches } from "@scbe/verifier";
import { OutcomeReporter } from "../outcomes/reporter.ts";
import type { AttemptPorts, ExchangeMetrics } from "./attempt.ts";
import { Deadline } from "./deadline.ts";
import type { RequestExchange } from "./exchange.ts";
import { checkExpectations } from "./expectations.ts";
import { Failover } from "./failover.ts";
import {
  type Answer,
  type CandidatesOptions,
  type RequestContent,
  type RequestOptions,
  resolveCandidates,
  timeoutOf,
} from "./options.ts";

export interface RequesterPorts extends Omit<AttemptPorts, "exchanges" | "metrics" | "reporter"> {
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly timeoutMsMax: number;
  readonly latches: OwnLatches;
  /** `SCBE_TRUST_TIMEOUT_MIN_MS` */
  readonly timeoutMinMs: number;
  /** False if the deployment has no trust scorers: then no outcomes are reported. */
  readonly reportsOutcomes: boolean;
}

/**
 * Sends requests. Disposing aborts the open ones, cancels them at their gateways, and sends the outcomes that are not yet
 * reported.
 */
export class Requester implements AsyncDisposable {
  readonly #ports: AttemptPorts;
  readonly #timeoutMsMax: number;
  /** One for each open request. */
  readonly #deadlines = new Slots<Deadline>();
  readonly #exchanges = new Slots<RequestExchange>();
  readonly #controlListener: Disposable;
  readonly #metrics: RequestMetrics;
  readonly #reporter: OutcomeReporter;
  #closed = false;

  constructor({
    log,
    metrics,
    timeoutMsMax,
    latches,
    timeoutMinMs,
    reportsOutcomes,
    ...ports
  }: RequesterPorts) {
    const { bus, clock } = ports;
    this.#reporter = new OutcomeReporter({
      bus,
      clock,
      log,
      metrics,
      latches,
      timeoutMinMs,
      reportsOutcomes,
    });
    this.#metrics = requestMetrics(metrics, ports.common.providers, () => this.#deadlines.size);
    this.#ports = {
      ...ports,
      reporter: this.#reporter,
      exchanges: this.#exchanges,
      metrics: this.#metrics,
    };
    this.#timeoutMsMax = timeoutMsMax;
    this.#controlListener = ports.control.onChange(() => {
      for (const exchange of this.#exchanges) exchange.onControlChange();
    });
  }

  /** See `Client.request`. */
  async request(options: RequestOptions | CandidatesOptions): Promise<Answer> {
    const { requestId = randomUUID() } = options;
    const span = beginSpan("scbe.request");
    try {
      const failover = new Failover(this.#ports, resolveCandidates(options), requestId);
      return await inSpan(span, () => this.#measure(failover, options, requestId, span));
    } catch (error) {
      failSpan(span, error);
      throw withRequestId(error, requestId);
    } finally {
      span.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const deadline of this.#deadlines) deadline.end(closed());
    this.#controlListener[Symbol.dispose]();
    this.#metrics[Symbol.dispose]();
    await this.#reporter[Symbol.asyncDispose]();
  }

  /** Counts the request once, under the provider that served it or was tried last. */
  async #measure(
    failover: Failover,
    content: RequestContent,
    requestId: string,
    span: Span,
  ): Promise<Answer> {
    const startedAt = performance.now();
    const ended = (error?: unknown): void =>
      this.#metrics.ended(failover.current.provider, performance.now() - startedAt, error);
    try {
      const answer = await this.#run(failover, content, requestId, span);
      ended();
      return answer;
    } catch (error) {
      ended(error);
      throw error;
    }
  }

  async #run(failover: Failover, content: RequestContent, requestId: string, span: Span): Promise<Answer> {
    if (this.#closed) throw closed();
    if (!isUint8Array(content.body)) throw new ScbeError("BAD_REQUEST", "body must be a Uint8Array");
    if (content.expects !== undefined) checkExpectations(content.expects);
    const timeoutMs = timeoutOf(content, this.#timeoutMsMax);
    const startedAt = performance.now();
    using deadline = new Deadline({ timeoutMs, signal: content.signal, open: this.#deadlines });
    try {
      const { body, contentType, header } = await failover.run(deadline);
      const traceId = traceIdOf(span);
      return {
        body,
        contentType,
        ...(header && { header }),
        requestId,
        provider: failover.current.provider,
        passedOver: failover.passedOver,
        isSealed: header !== undefined,
        envelopes: failover.envelopes,
        sealMs: failover.sealMs,
        roundTripMs: performance.now() - startedAt,
        ...(traceId !== undefined && { traceId }),
      };
    } finally {
      describeRequest(span, { ...failover.current, requestId });
      span.setAttribute(ATTRIBUTES.envelopes, failover.envelopes);
    }
  }
}

/** A copy: when the connection is lost, the bus fails all waiting requests with one error object. */
function withRequestId(error: unknown, requestId: string): unknown {
  if (!isScbeError(error)) return error;
  const { code, message, cause } = error;
  return new ScbeError(code, message, { requestId, ...(cause !== undefined && { cause }) });
}

function closed(): ScbeError {
  return new ScbeError("ABORTED", "the client is closed");
}

interface RequestMetrics extends ExchangeMetrics, Disposable {
  /** Counts a finished request; `error` if it failed. */
  ended(provider: string, ms: number, error?: unknown): void;
}

/** @param inFlight how many requests are open now */
function requestMetrics(
  metrics: MetricsRegistry,
  providers: readonly string[],
  inFlight: () => number,
): RequestMetrics {
  const requests = counter(metrics, "scbe_requests_total", { provider: providers });
  const requestMs = histogram(metrics, "scbe_request_ms", { provider: providers });
  const envelopes = counter(metrics, "scbe_request_envelopes_total", { provider: providers });
  const unsealed = counter(metrics, "scbe_unsealed_requests_total", { provider: providers });
  const gauge = watchGauge(metrics, "scbe_requests_in_flight", () => [[{}, inFlight()]]);
  return {
    exchanged: ({ subject, provider }, result) =>
      (subject === "request" ? envelopes : unsealed).inc({ provider, landing: result }),
    ended: (provider, ms, error) => {
      requests.inc({ provider, result: error === undefined ? "ok" : errorCode(error) });
      requestMs.observe({ provider }, ms);
    },
    [Symbol.dispose]: () => gauge[Symbol.dispose](),
  };
}
