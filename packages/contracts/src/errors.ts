import { z } from "zod";

/**
 * Every failure that crosses a boundary of SCBE carries one of these codes. Codes are API and are only added;
 * texts are for people and can change.
 */
export const ERROR_CODES = {
  BAD_REQUEST: "the request was malformed, or outside what this service serves",
  FORBIDDEN: "the user may not make this request",
  NOT_READY: "a dependency is unavailable, and the service fails closed",
  BUSY: "a limit is reached, here or at the provider; try again later, with a fresh envelope",
  TOO_LARGE: "the message exceeds the bus's limit",
  TIMEOUT: "no answer arrived within the deadline",
  ABORTED: "the caller gave up",
  NO_RESPONDERS: "no process serves this subject now",
  DISCONNECTED: "the connection to the bus is down",
  REFUSED: "the other side answered with noise, without a reason",
  NO_KEYS: "no usable key for this provider and intent",
  NO_EPOCH: "no replay epoch is known, so no acceptable envelope can be sealed",
  SWITCHED_OFF: "the kill switch or a feature flag forbids sealing here, and no fallback is permitted",
  HANDLER_FAILED: "the gateway opened the request, and its handler failed; the answer was verified",
  BAD_ANSWER: "the answer was verified, and does not meet the request's expectations",
  DISTRUSTED: "the provider is out: its integrity is in doubt",
  CONFLICT: "a compare-and-set lost: another writer was first",
  INTERNAL: "a defect of SCBE; the log has the cause",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * The only error class of SCBE. `message` is public text: it can cross the bus, so it never holds a secret, a body or
 * the reason of a refused envelope. Text for operators only goes into `cause`, which is logged, never sent.
 */
export class ScbeError extends Error {
  override readonly name = "ScbeError";
  readonly code: ErrorCode;
  /** The id of the failed request, if any: the request's trace has it. */
  readonly requestId?: string;

  constructor(code: ErrorCode, message: string, options?: ScbeErrorOptions) {
    super(message, options);
    this.code = code;
    if (options?.requestId !== undefined) this.requestId = options.requestId;
  }
}

export interface ScbeErrorOptions {
  readonly cause?: unknown;
  readonly requestId?: string;
}

/** Narrows a caught value to an {@link ScbeError}, optionally of one code. */
export function isScbeError(value: unknown, code?: ErrorCode): value is ScbeError {
  return value instanceof ScbeError && (code === undefined || value.code === code);
}

/** The code of a caught value; INTERNAL for any other value than an {@link ScbeError}. */
export function errorCode(value: unknown): ErrorCode {
  return isScbeError(value) ? value.code : "INTERNAL";
}

/**
 * A service's error answer is an empty message with these three headers. The first two are those of
 * the NATS services framework (ADR-32), which tools like `nats micro` read; the third carries our code. Programs branch on the third,
 * since several of our codes share a number.
 */
export const SERVICE_ERROR_HEADERS = {
  /** Public text for people. */
  text: "Nats-Service-Error",
  /** An HTTP status, see {@link SERVICE_ERROR_NUMBERS}. */
  number: "Nats-Service-Error-Code",
  /** One of {@link ERROR_CODES}. */
  code: "scbe-error",
} as const;

/** The HTTP status of each code. */
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
 * The error in an answer's headers, or `undefined` if it is not a service error. One without our code, or with
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

/**
 * Media type of a sealed response that reports a failure: the gateway opened the request, and could not serve it.
 * The body is a {@link Problem}. The type is our own, so that no provider's answer is mistaken for it.
 */
export const PROBLEM_MEDIA_TYPE = "application/vnd.scbe.problem+json";

/** `title` is public text for people; programs branch on `code`. */
export const Problem = z.object({
  code: z.string().min(1).max(64),
  title: z.string().max(1000),
});
export type Problem = z.infer<typeof Problem>;

/** The body of a sealed response that carries `error`: its code and public text, never its cause. */
export function encodeProblem({ code, message }: ScbeError): Uint8Array {
  const problem: Problem = { code, title: cutText(message, 500) };
  return new TextEncoder().encode(JSON.stringify(problem));
}

/** The error in such a body. A malformed one, or a code that is newer than this program, reads as HANDLER_FAILED. */
export function decodeProblem(body: Uint8Array): ScbeError {
  const { code, title } = parseProblem(body) ?? {
    code: "HANDLER_FAILED",
    title: "a problem that cannot be read",
  };
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : "HANDLER_FAILED";
  return new ScbeError(known, title);
}

function parseProblem(body: Uint8Array): Problem | undefined {
  try {
    return Problem.parse(JSON.parse(new TextDecoder().decode(body)));
  } catch {
    return undefined;
  }
}

/**
 * The start of a text, with at most that many UTF-16 units. It is always well-formed, so that JCS, JSON and UTF-8 can hold it: a surrogate
 * pair is kept whole or left out, and a lone surrogate in the text becomes U+FFFD.
 */
export function cutText(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text.toWellFormed();
  const isPairSplit = isHigh(text.charCodeAt(charactersMax - 1)) && isLow(text.charCodeAt(charactersMax));
  return text.slice(0, isPairSplit ? charactersMax - 1 : charactersMax).toWellFormed();
}

/** The first half of a surrogate pair. */
function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** The second half of a surrogate pair. */
function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
