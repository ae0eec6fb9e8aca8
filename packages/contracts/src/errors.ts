/**
 * Every failure that crosses a boundary of SCBE carries one of these codes. Codes are API and only ever added to;
 * texts are for people and may change.
 */
export const ERROR_CODES = {
  BAD_REQUEST: "the question was malformed, or outside what this service serves",
  FORBIDDEN: "the asker is known, but may not ask for this",
  NOT_READY: "a dependency is away, and the service fails closed",
  BUSY: "a limit is reached, here or at the provider; try again later, with a fresh envelope",
  TOO_LARGE: "the message exceeds the bus's limit",
  TIMEOUT: "no answer arrived within the deadline",
  ABORTED: "the caller gave up",
  NO_RESPONDERS: "nobody serves this subject now",
  DISCONNECTED: "the connection to the bus is down",
  REFUSED: "the other side answered with noise; the reason is not told",
  NO_KEYS: "no usable key for this provider and intent",
  NO_EPOCH: "no replay epoch is known, so nothing that would be accepted can be sealed",
  SWITCHED_OFF: "the kill switch or a feature flag forbids sealing here, and no fallback is permitted",
  HANDLER_FAILED:
    "the gateway opened the request, and its handler failed; the answer that says so was verified",
  BAD_ANSWER: "the answer was verified, and is not what its asker expects",
  DISTRUSTED: "the provider is out: what it has done leaves it no trust now",
  CONFLICT: "a compare-and-set lost: somebody else wrote first",
  INTERNAL: "a defect of ours; the log has the cause",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * The one error class of SCBE. `message` is public text: it may cross the bus, so it never holds a secret, a body or
 * the reason of a refused envelope. What only the operator may read goes into `cause`, which is logged, never sent.
 */
export class ScbeError extends Error {
  override readonly name = "ScbeError";
  readonly code: ErrorCode;
  /** Of the request that failed, where it is one: by it the request's trace is found. */
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

/** The code of a caught value: `INTERNAL` for anything but an {@link ScbeError}, which is a defect. */
export function errorCode(error: unknown): ErrorCode {
  return isScbeError(error) ? error.code : "INTERNAL";
}
