import { type Context, context, propagation, ROOT_CONTEXT } from "@opentelemetry/api";
import { HEADERS } from "@scbe/contracts";
import type { BusHeaders } from "../bus.ts";

/**
 * The trace that a message says it belongs to, by its `traceparent` and `tracestate` (W3C Trace Context) and by no other
 * header. Both stand outside what is authenticated: they can make a trace wrong, and nothing else. What is malformed is
 * ignored.
 */
export function extractTrace(header: (name: string) => string | undefined): Context {
  return propagation.extract(ROOT_CONTEXT, header, GETTER);
}

/** The headers that tell a receiver of the active span; none without tracing. */
export function injectTrace(from: Context = context.active()): BusHeaders {
  const headers: Record<string, string> = {};
  propagation.inject(from, headers, SETTER);
  return headers;
}

/** Baggage and other propagators' headers are nothing that the bus should carry to whoever reads it. */
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
