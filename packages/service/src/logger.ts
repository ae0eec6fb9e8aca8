import { isSpanContextValid, trace } from "@opentelemetry/api";
import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

export interface LoggerOptions {
  /** Part of every line. */
  readonly name: string;
  /** `fatal` to `trace`, or `silent`. */
  readonly level: string;
  /** Default: standard output. */
  readonly destination?: DestinationStream;
}

/** Fields whose values are never logged, at the top and up to two levels down. */
const SECRET_FIELDS = [
  "seed",
  "secret",
  "password",
  "token",
  "authorization",
  "material",
  "ikm",
  "plaintext",
  "body",
  "args",
  "NATS_CREDS",
  "REDIS_URL",
];

/** Writes one JSON line for each event, with secret fields redacted and, inside a request, its `trace_id` and `span_id`. */
export function createLogger({ name, level, destination }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    base: { pid: process.pid },
    redact: {
      paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
      censor: "[redacted]",
    },
    timestamp: pino.stdTimeFunctions.isoTime,
    mixin: traceFields,
    formatters: { level: (label: string) => ({ level: label }), log: withoutBytes },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Bytes may be a body or a key, and are unreadable in a log; redaction by path throws on them. */
function withoutBytes(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, readable(value, DEPTH)]));
}

/** As deep as redaction. */
const DEPTH = 2;

function readable(value: unknown, depth: number): unknown {
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth === 0 || !isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, readable(inner, depth - 1)]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function traceFields(): object {
  const context = trace.getActiveSpan()?.spanContext();
  if (context === undefined || !isSpanContextValid(context)) return {};
  return { trace_id: context.traceId, span_id: context.spanId };
}
