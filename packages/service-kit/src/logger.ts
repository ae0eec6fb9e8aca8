import { isSpanContextValid, trace } from "@opentelemetry/api";
import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

export interface LoggerOptions {
  /** Stands in every line. */
  readonly name: string;
  /** `fatal` to `trace`, or `silent`. */
  readonly level: string;
  /** Where lines go; standard output unless told. */
  readonly destination?: DestinationStream;
}

/** Names of fields whose values never reach a log, at the top and one level down. */
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

/** One JSON line for each event, with known secret fields cut out and, inside a request, its `trace_id` and `span_id`. */
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
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

function traceFields(): object {
  const context = trace.getActiveSpan()?.spanContext();
  if (context === undefined || !isSpanContextValid(context)) return {};
  return { trace_id: context.traceId, span_id: context.spanId };
}
