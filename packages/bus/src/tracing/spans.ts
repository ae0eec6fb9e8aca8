import {
  type Attributes,
  type Context,
  context,
  INVALID_SPAN_CONTEXT,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span,
  type SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { errorCode } from "@scbe/contracts";

export { type Span, SpanKind } from "@opentelemetry/api";

/** In place of a span, in a process that does not trace. */
export const NO_SPAN = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

let tracer: Tracer | undefined;

/** The tracer of the SDK that this process has registered, at any time; undefined while there is none. */
function tracerInUse(): Tracer | undefined {
  if (tracer !== undefined) return tracer;
  const provider = trace.getTracerProvider();
  tracer =
    provider instanceof ProxyTracerProvider ? provider.getDelegateTracer("scbe") : provider.getTracer("scbe");
  return tracer;
}

/** False while no SDK is registered: then a message need not be read for its trace. */
export function isTracing(): boolean {
  return tracerInUse() !== undefined;
}

export interface SpanFacts {
  /** Default internal. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
}

/**
 * Begins a span where a trace may begin: below the active span or `parent`'s, else as a root. The process's sampler decides. An unsampled span
 * costs no more than that: it gets no headers, no context and no children.
 */
export function beginSpan(name: string, facts: SpanFacts = {}, parent: Context = context.active()): Span {
  const span = tracerInUse()?.startSpan(name, facts, parent);
  return span?.isRecording() === true ? span : NO_SPAN;
}

/** Starts a span of the active trace, if that is sampled. */
export function startSpan(name: string, facts: SpanFacts = {}): Span {
  const active = trace.getActiveSpan();
  return active !== undefined && isSampled(active) ? beginSpan(name, facts) : NO_SPAN;
}

/** Also true after the span has ended: work below it is still recorded. */
function isSampled(span: Span): boolean {
  return (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
}

/** Runs `work` with a span that begins a trace or continues the active one; {@link withSpan} only continues one. */
export function withTrace<T>(name: string, facts: SpanFacts, work: (span: Span) => T): T {
  const span = beginSpan(name, facts);
  return whileIn(span, () => work(span));
}

/** Runs `work` with a span of its own as the active one; the span ends with it, as failed if it throws or rejects. */
export function withSpan<T>(name: string, facts: SpanFacts, work: (span: Span) => T): T {
  const span = startSpan(name, facts);
  return whileIn(span, () => work(span));
}

/** Runs `work` with `span` as the active one, and ends the span with it, as failed if it throws or rejects. */
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

/** Runs `work` with `span` as the active one, and leaves the span open. */
export function inSpan<T>(span: Span, work: () => T, parent: Context = context.active()): T {
  return span === NO_SPAN ? work() : context.with(trace.setSpan(parent, span), work);
}

/** Runs `work` below no span: for work that outlives its caller. */
export function outsideTraces<T>(work: () => T): T {
  return context.active() === ROOT_CONTEXT ? work() : context.with(ROOT_CONTEXT, work);
}

/** Marks a span as failed with the error's code, never its text, which another process may have written. */
export function failSpan(span: Span, error: unknown): void {
  setFailure(span, errorCode(error));
}

/** Marks a span as failed with a reason of a closed set. */
export function setFailure(span: Span, reason: string): void {
  if (!span.isRecording()) return;
  span.setAttribute(ATTRIBUTES.errorType, reason).setStatus({ code: SpanStatusCode.ERROR, message: reason });
}

/** The active span, if it is recorded. */
export function recordedSpan(): Span | undefined {
  const span = trace.getActiveSpan();
  return span?.isRecording() === true ? span : undefined;
}

/** Adds the facts of a request to a span. Only for facts that the process itself knows or has verified. */
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

/** The id of a recorded trace. */
export function traceIdOf(span: Span): string | undefined {
  return span.isRecording() ? span.spanContext().traceId : undefined;
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

/**
 * Names of span attributes: OpenTelemetry's semantic conventions for messaging and errors, and `scbe.*` for everything else. No attribute holds a
 * body, a key, a nonce or anything unverified.
 */
export const ATTRIBUTES = {
  system: "messaging.system",
  operationName: "messaging.operation.name",
  operationType: "messaging.operation.type",
  destination: "messaging.destination.name",
  consumerGroup: "messaging.consumer.group.name",
  bodySize: "messaging.message.body.size",
  errorType: "error.type",
  /** A UUID, which finds the trace of a support ticket. */
  requestId: "scbe.request_id",
  provider: "scbe.provider",
  model: "scbe.model",
  intent: "scbe.intent",
  phase: "scbe.phase",
  kid: "scbe.kid",
  /** The number of envelopes of a request. */
  envelopes: "scbe.envelopes",
  /** The outcome of one envelope: answered, refused, busy or silent. */
  landing: "scbe.landing",
  /** The verdict of the replay guard: fresh, replay, reuse or refused. */
  verdict: "scbe.verdict",
  /** Why an envelope was not opened; its sender never learns it. */
  refusal: "scbe.refusal",
  /** Why an opening token was refused; its sender never learns it. */
  openingToken: "scbe.opening_token",
  /** The step of opening that refused (docs/spec/envelope-v1.md, "Opening"). */
  refusalStep: "scbe.refusal_step",
} as const;
