import {
  type Attributes,
  type Context,
  context,
  INVALID_SPAN_CONTEXT,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { errorCode } from "@scbe/contracts";
import type { BusHeaders } from "../bus.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { injectTrace } from "./propagation.ts";

export { type Span, SpanKind } from "@opentelemetry/api";

/** What there is in place of a span in a process that does not trace. */
const NO_SPAN = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
const NO_HEADERS: BusHeaders = {};

let tracer: Tracer | undefined;

/** Of the SDK that this process has registered, which may come at any time; undefined while there is none. */
function tracerInUse(): Tracer | undefined {
  if (tracer !== undefined) return tracer;
  const provider = trace.getTracerProvider();
  tracer =
    provider instanceof ProxyTracerProvider ? provider.getDelegateTracer("scbe") : provider.getTracer("scbe");
  return tracer;
}

/** False while no SDK is registered: then there is nothing to ask a message for. */
export function isTracing(): boolean {
  return tracerInUse() !== undefined;
}

export interface SpanFacts {
  /** Default internal. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
}

/**
 * Begins a span where a trace may begin: below the active span, or `parent`'s, else as a root. The process's sampler has the
 * word. What is not sampled costs no more than that: neither headers nor context are made for it, and nothing below it.
 */
export function beginSpan(name: string, facts: SpanFacts = {}, parent: Context = context.active()): Span {
  const span = tracerInUse()?.startSpan(name, facts, parent);
  return span?.isRecording() === true ? span : NO_SPAN;
}

/** Starts a span of the active trace; where there is none that is sampled, nothing. */
export function startSpan(name: string, facts: SpanFacts = {}): Span {
  const active = trace.getActiveSpan();
  return active !== undefined && isSampled(active) ? beginSpan(name, facts) : NO_SPAN;
}

/** True of one that has ended, too: what goes on below it is recorded. */
function isSampled(span: Span): boolean {
  return (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
}

/** Runs `work` with a span that begins a trace, or goes on with the active one; {@link withSpan} is for what is inside of one. */
export function withTrace<T>(name: string, facts: SpanFacts, work: (span: Span) => T): T {
  const span = beginSpan(name, facts);
  return whileIn(span, () => work(span));
}

/** Runs `work` with a span of its own as the active one; the span ends with it, as failed when it throws or rejects. */
export function withSpan<T>(name: string, facts: SpanFacts, work: (span: Span) => T): T {
  const span = startSpan(name, facts);
  return whileIn(span, () => work(span));
}

/** Runs `work` with `span` as the active one, and ends the span with it, as failed when it throws or rejects. */
export function whileIn<T>(span: Span, work: () => T): T {
  if (span === NO_SPAN) return work();
  try {
    const result = inSpan(span, work);
    if (result instanceof Promise) return endWith(result, span) as T;
    span.end();
    return result;
  } catch (error) {
    failSpan(span, error);
    span.end();
    throw error;
  }
}

/** Runs `work` with `span` as the active one, from wherever it is called. */
export function inSpan<T>(span: Span, work: () => T, parent: Context = context.active()): T {
  return span === NO_SPAN ? work() : context.with(trace.setSpan(parent, span), work);
}

/** Runs `work` below no span: for what goes on for longer than whatever has begun it. */
export function outsideTraces<T>(work: () => T): T {
  return context.active() === ROOT_CONTEXT ? work() : context.with(ROOT_CONTEXT, work);
}

/** The status of a span whose work failed: the error's code, never its text, which others may have written. */
export function failSpan(span: Span, error: unknown): void {
  setFailure(span, errorCode(error));
}

/** The status of a span that ended as it should not have, with a reason of a closed set. */
export function setFailure(span: Span, reason: string): void {
  if (!span.isRecording()) return;
  span.setAttribute(ATTRIBUTES.errorType, reason).setStatus({ code: SpanStatusCode.ERROR, message: reason });
}

/** The active span, where there is one that is recorded. */
export function recordedSpan(): Span | undefined {
  const span = trace.getActiveSpan();
  return span?.isRecording() === true ? span : undefined;
}

/** What every span of one request says of it. Only for what the process itself knows, was asked for, or has verified. */
export function describeRequest(span: Span, facts: RequestFacts): void {
  if (!span.isRecording()) return;
  const { provider, model, intent, requestId } = facts;
  span.setAttributes({
    [ATTRIBUTES.requestId]: requestId,
    [ATTRIBUTES.provider]: provider,
    [ATTRIBUTES.model]: model,
    [ATTRIBUTES.intent]: intent,
  });
}

export interface RequestFacts {
  readonly requestId: string;
  readonly provider: string;
  readonly model: string;
  readonly intent: string;
}

/** The headers that tell a receiver of `span`. */
export function headersOf(span: Span): BusHeaders {
  if (span === NO_SPAN) return NO_HEADERS;
  return injectTrace(trace.setSpan(context.active(), span));
}

/** The id of a trace that is recorded, by which it is found. */
export function traceIdOf(span: Span): string | undefined {
  return span.isRecording() ? span.spanContext().traceId : undefined;
}

/** A question on the bus, as the one who asks sees it: from the asking to the answer. */
export function requestSpan(subject: string, bytes: number, start: typeof startSpan = startSpan): Span {
  const span = start(`request ${subject}`, { kind: SpanKind.PRODUCER });
  if (span.isRecording()) {
    span.setAttributes({
      [ATTRIBUTES.system]: "nats",
      [ATTRIBUTES.operationName]: "request",
      [ATTRIBUTES.operationType]: "send",
      [ATTRIBUTES.destination]: subject,
      [ATTRIBUTES.bodySize]: bytes,
    });
  }
  return span;
}

/** A question on the bus, as the one who answers sees it: from its arrival to the answer. */
export function processSpan(
  subject: string,
  { queue, bytes, startTime }: { queue: string; bytes: number; startTime?: number },
  parent: Context,
): Span {
  const options = { kind: SpanKind.CONSUMER, ...(startTime !== undefined && { startTime }) };
  const span = beginSpan(`process ${subject}`, options, parent);
  if (span.isRecording()) {
    span.setAttributes({
      [ATTRIBUTES.system]: "nats",
      [ATTRIBUTES.operationName]: "process",
      [ATTRIBUTES.operationType]: "process",
      [ATTRIBUTES.destination]: subject,
      [ATTRIBUTES.consumerGroup]: queue,
      [ATTRIBUTES.bodySize]: bytes,
    });
  }
  return span;
}

async function endWith<T>(result: Promise<T>, span: Span): Promise<T> {
  try {
    return await result;
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
}
