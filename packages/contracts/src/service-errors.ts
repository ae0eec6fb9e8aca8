import { cutText } from "./cut-text.ts";
import { ERROR_CODES, type ErrorCode, ScbeError } from "./errors.ts";

/**
 * How a service answers that it cannot answer: an empty message with these three headers. The first two are those of
 * the NATS services framework (ADR-32), which tools like `nats micro` read; the third carries our code, and is the
 * one to branch on, since several of our codes share a number.
 */
export const SERVICE_ERROR_HEADERS = {
  /** Public text for people. */
  text: "Nats-Service-Error",
  /** A number in the manner of HTTP, see {@link SERVICE_ERROR_NUMBERS}. */
  number: "Nats-Service-Error-Code",
  /** One of {@link ERROR_CODES}. */
  code: "scbe-error",
} as const;

/** The number that goes with each code: what HTTP would say. */
export const SERVICE_ERROR_NUMBERS: Readonly<Record<ErrorCode, number>> = {
  BAD_REQUEST: 400,
  FORBIDDEN: 403,
  CONFLICT: 409,
  TOO_LARGE: 413,
  REFUSED: 422,
  BUSY: 429,
  ABORTED: 499,
  INTERNAL: 500,
  HANDLER_FAILED: 502,
  BAD_ANSWER: 502,
  SWITCHED_OFF: 503,
  DISTRUSTED: 503,
  NO_KEYS: 503,
  NO_EPOCH: 503,
  NOT_READY: 503,
  NO_RESPONDERS: 503,
  DISCONNECTED: 503,
  TIMEOUT: 504,
};

/** The headers that carry `error` to the other side: its code and public text, never its cause. */
export function serviceErrorHeaders(error: ScbeError): Record<string, string> {
  return {
    [SERVICE_ERROR_HEADERS.text]: oneLine(error.message),
    [SERVICE_ERROR_HEADERS.number]: String(SERVICE_ERROR_NUMBERS[error.code]),
    [SERVICE_ERROR_HEADERS.code]: error.code,
  };
}

/**
 * The error that an answer's headers carry, or `undefined` when it is no service error. One without our code, or with
 * a code that is newer than this program, reads as INTERNAL.
 */
export function readServiceError(header: (name: string) => string | undefined): ScbeError | undefined {
  const text = header(SERVICE_ERROR_HEADERS.text);
  const code = header(SERVICE_ERROR_HEADERS.code);
  if (code === undefined && text === undefined) return undefined;
  const known = code !== undefined && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : "INTERNAL";
  return new ScbeError(known, text ?? ERROR_CODES[known]);
}

/** A header's value is one line of printable ASCII, and short. */
function oneLine(text: string): string {
  return cutText(text.replace(/[^\x20-\x7e]+/g, " "), 500);
}
