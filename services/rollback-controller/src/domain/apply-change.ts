import { type ControlState, isScbeError, ScbeError } from "@scbe/contracts";
import type { Change } from "../ports.ts";

/** The change's own refusal, told apart from failures of the store. */
class ChangeRefused extends Error {
  constructor(cause: unknown) {
    super("the change does not apply", { cause });
  }
}

/** The state after a change. What the change throws comes back from {@link failureOf}. */
export function applied(change: Change, state: ControlState): ControlState {
  try {
    return change(state);
  } catch (cause) {
    throw new ChangeRefused(cause);
  }
}

/** What the asker of a change is told when it failed: what the change itself has thrown, or that it is not known to be stored. */
export function failureOf(error: unknown): unknown {
  return error instanceof ChangeRefused ? error.cause : asNotStored(error);
}

/** Whether it was stored nevertheless is not known: a write that timed out may be carried out later. */
function asNotStored(cause: unknown): unknown {
  if (!isScbeError(cause) || cause.code === "DISCONNECTED" || cause.code === "BAD_REQUEST") return cause;
  return new ScbeError("NOT_READY", `the control document could not be stored: ${cause.message}`, { cause });
}
