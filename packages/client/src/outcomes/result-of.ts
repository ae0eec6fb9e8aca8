import type { ErrorCode, OutcomeResult } from "@scbe/contracts";

/** What an attempt says of its provider that has failed with this code; undefined: nothing. */
export function resultOf(code: ErrorCode): OutcomeResult | undefined {
  return RESULTS[code];
}

/** What lies with the caller, with this process or with the control plane says nothing of the provider. */
const RESULTS: Readonly<Partial<Record<ErrorCode, OutcomeResult>>> = {
  HANDLER_FAILED: "provider_error",
  TIMEOUT: "timeout",
  NO_RESPONDERS: "no_responders",
  BUSY: "busy",
  REFUSED: "refused",
};
