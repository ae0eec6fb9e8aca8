import { type ErrorCode, isScbeError } from "@scbe/contracts";

/** True when another provider may be asked what one has failed at so. */
export function canFailOver(error: unknown): boolean {
  return isScbeError(error) && CAN_FAIL_OVER[error.code];
}

/** What lies with the provider goes on; what the next one would fail at likewise, or the caller did, does not. */
const CAN_FAIL_OVER: Readonly<Record<ErrorCode, boolean>> = {
  BAD_REQUEST: false,
  FORBIDDEN: false,
  NOT_READY: true,
  BUSY: true,
  TOO_LARGE: false,
  TIMEOUT: true,
  ABORTED: false,
  NO_RESPONDERS: true,
  DISCONNECTED: false,
  REFUSED: true,
  NO_KEYS: true,
  NO_EPOCH: false,
  SWITCHED_OFF: true,
  HANDLER_FAILED: true,
  BAD_ANSWER: true,
  DISTRUSTED: true,
  CONFLICT: false,
  INTERNAL: true,
};
