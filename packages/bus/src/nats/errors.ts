import { type ErrorCode, isScbeError, ScbeError } from "@scbe/contracts";
import { ErrorCode as NatsCode, NatsError } from "nats";

const CODES: Readonly<Record<string, ErrorCode>> = {
  [NatsCode.NoResponders]: "NO_RESPONDERS",
  [NatsCode.Timeout]: "TIMEOUT",
  [NatsCode.MaxPayloadExceeded]: "TOO_LARGE",
  [NatsCode.PermissionsViolation]: "FORBIDDEN",
  [NatsCode.AuthorizationViolation]: "FORBIDDEN",
  [NatsCode.AuthenticationExpired]: "FORBIDDEN",
  // The server offers no TLS, which this connection requires.
  [NatsCode.ServerOptionNotAvailable]: "FORBIDDEN",
  [NatsCode.BadSubject]: "BAD_REQUEST",
  [NatsCode.BadHeader]: "BAD_REQUEST",
  [NatsCode.ConnectionClosed]: "DISCONNECTED",
  [NatsCode.ConnectionDraining]: "DISCONNECTED",
  [NatsCode.ConnectionRefused]: "DISCONNECTED",
  [NatsCode.ConnectionTimeout]: "DISCONNECTED",
  [NatsCode.Disconnect]: "DISCONNECTED",
};

/** JetStream's "wrong last sequence": a lost compare-and-set. */
const WRONG_LAST_SEQUENCE: ReadonlySet<number | undefined> = new Set([10_071, 10_164]);

/** An error of the client library as an {@link ScbeError}; `doing` is what failed: "publish to x". */
export function toScbeError(error: unknown, doing: string): ScbeError {
  if (isScbeError(error)) return error;
  const code = codeOf(error);
  return new ScbeError(code, `${doing}: ${TEXTS[code] ?? "failed"}`, { cause: error });
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof Error && error.name === "AbortError") return "ABORTED";
  if (!(error instanceof NatsError)) return "INTERNAL";
  if (WRONG_LAST_SEQUENCE.has(error.api_error?.err_code)) return "CONFLICT";
  return CODES[error.code] ?? "INTERNAL";
}

const TEXTS: Partial<Record<ErrorCode, string>> = {
  NO_RESPONDERS: "no service answers it now",
  TIMEOUT: "no answer within the deadline",
  FORBIDDEN: "the server does not allow it",
  DISCONNECTED: "the connection to NATS is down",
  ABORTED: "given up",
  CONFLICT: "another process wrote first",
  BAD_REQUEST: "the subject or a header is malformed",
};

/** The error for a message that is too long, with the limit. */
export function tooLarge(subject: string, maxPayload: number): ScbeError {
  return new ScbeError("TOO_LARGE", `a message to ${subject} exceeds the bus's limit of ${maxPayload} bytes`);
}

/** The error for an operation on a link that is down. */
export function disconnected(doing: string): ScbeError {
  return new ScbeError("DISCONNECTED", `${doing}: ${TEXTS.DISCONNECTED}`);
}

/** True if the server reports that there is no such stream. */
export function isMissingStream(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === 10_059;
}
