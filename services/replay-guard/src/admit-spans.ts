import {
  ATTRIBUTES,
  type EndpointRequest,
  extractTrace,
  failSpan,
  processSpan,
  type Span,
  setFailure,
} from "@scbe/bus";
import { type AdmitVerdict, decodeAdmitTraces, HEADERS } from "@scbe/contracts";

/** The spans of a batch, each in its own request's trace. */
export interface AdmitSpans {
  decided(verdicts: readonly AdmitVerdict[]): void;
  /** None of them was decided. */
  failed(error: unknown): void;
}

/**
 * Starts a span for each item of a batch that says which trace it belongs to. What a batch says of a place that it has not
 * is ignored.
 * @param count items in the batch
 */
export function startAdmitSpans(request: EndpointRequest, queue: string, count: number): AdmitSpans {
  const traces = decodeAdmitTraces(request.header(HEADERS.traceparents), count);
  const facts = { queue, bytes: request.data.length / Math.max(1, count) };
  const spans = [...traces].map(([index, traceparent]): [number, Span] => [
    index,
    processSpan(
      request.subject,
      facts,
      extractTrace((name) => (name === HEADERS.traceparent ? traceparent : undefined)),
    ),
  ]);
  return {
    decided: (verdicts) => {
      for (const [index, span] of spans) endWith(span, verdicts[index] ?? "refused");
    },
    failed: (error) => {
      for (const [, span] of spans) {
        failSpan(span, error);
        span.end();
      }
    },
  };
}

function endWith(span: Span, verdict: AdmitVerdict): void {
  span.setAttribute(ATTRIBUTES.verdict, verdict);
  if (verdict !== "fresh") setFailure(span, verdict);
  span.end();
}
