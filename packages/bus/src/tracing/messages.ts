import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  trace,
} from "@opentelemetry/api";
import { HEADERS } from "@scbe/contracts";
import type { BusHeaders } from "../bus.ts";
import { ATTRIBUTES, beginSpan, NO_SPAN, startSpan } from "./spans.ts";

/** The span of a request at its sender: from sending to the answer. */
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

/** The span of a request at its receiver: from arrival to the answer. */
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

/**
 * The trace of a message, by its `traceparent` and `tracestate` (W3C Trace Context) and no other header. Both are unauthenticated: they can make a
 * trace wrong, and nothing else. Malformed headers are ignored.
 */
export function extractTrace(header: (name: string) => string | undefined): Context {
  return propagation.extract(ROOT_CONTEXT, header, GETTER);
}

/** The headers that carry the active span to a receiver; none without tracing. */
export function injectTrace(from: Context = context.active()): BusHeaders {
  const headers: Record<string, string> = {};
  propagation.inject(from, headers, SETTER);
  return headers;
}

/** The headers that carry `span` to a receiver. */
export function headersOf(span: Span): BusHeaders {
  if (span === NO_SPAN) return NO_HEADERS;
  return injectTrace(trace.setSpan(context.active(), span));
}

const NO_HEADERS: BusHeaders = {};

/** The bus carries neither baggage nor headers of other propagators, since every reader of the message would see them. */
const CARRIED: readonly string[] = [HEADERS.traceparent, HEADERS.tracestate];

const GETTER = {
  get: (header: (name: string) => string | undefined, name: string) =>
    CARRIED.includes(name) ? header(name) : undefined,
  keys: () => [...CARRIED],
};

const SETTER = {
  set: (headers: Record<string, string>, name: string, value: string): void => {
    if (CARRIED.includes(name) && value !== "") headers[name] = value;
  },
};
