import {
  type Attributes,
  type Context,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { isScbeError } from "@scbe/contracts";
import type { BusHeaders } from "../bus.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { injectTrace } from "./propagation.ts";

export { type Span, SpanKind } from "@opentelemetry/api";

/** Of whichever SDK the process has registered by then; without one, spans are nothing and cost next to nothing. */
const tracer = trace.getTracer("scbe");

export interface SpanFacts {
  /** Default internal. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
}

/**
 * Starts a span below the active one, or below `parent`'s. Below a span of this process that is not recorded nothing is
 * made, and that one comes back: whoever samples has decided already.
 */
export function startSpan(name: string, facts: SpanFacts = {}, parent: Context = context.active()): Span {
  const above = trace.getSpan(parent);
  if (above !== undefined && !above.isRecording() && above.spanContext().isRemote !== true) return above;
  return tracer.startSpan(name, facts, parent);
}

/** Runs `work` with a span of its own as the active one; the span ends with it, as failed when it throws or rejects. */
export function withSpan<T>(name: string, facts: SpanFacts, work: (span: Span) => T): T {
  const span = startSpan(name, facts);
  return whileIn(span, () => work(span));
}

/** Runs `work` with `span` as the active one, and ends the span with it, as failed when it throws or rejects. */
export function whileIn<T>(span: Span, work: () => T): T {
  if (trace.getActiveSpan() === span) return work();
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
  return context.with(trace.setSpan(parent, span), work);
}

/** The status of a span whose work failed: the error's code, never its text, which others may have written. */
export function failSpan(span: Span, error: unknown): void {
  setFailure(span, isScbeError(error) ? error.code : "INTERNAL");
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

/** What every span of one request says of it. Only for what the process itself knows, or has verified. */
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
  return injectTrace(trace.setSpan(context.active(), span));
}

/** The id of a trace that is recorded, by which it is found. */
export function traceIdOf(span: Span): string | undefined {
  return span.isRecording() ? span.spanContext().traceId : undefined;
}

/** A question on the bus, as the one who asks sees it: from the asking to the answer. */
export function requestSpan(subject: string, bytes: number, parent?: Context): Span {
  const span = startSpan(`request ${subject}`, { kind: SpanKind.PRODUCER }, parent);
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
  const span = startSpan(`process ${subject}`, options, parent);
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
