import { HEADERS, STATUS } from "./headers.ts";
import type { ReadHeader } from "./parameters.ts";
import { readServiceError } from "./service-errors.ts";

/** What one message says to the sender of a request that waits for its answer. */
export type AnswerKind =
  /** Its data may be the answer. */
  | "answer"
  | "accepted"
  | "busy"
  | "refused"
  | "switched_off"
  /** The gateway cannot serve the request now. */
  | "not_ready"
  /** A defect of the gateway. */
  | "internal"
  /** Nothing: the message is ignored. */
  | "none";

/**
 * What a message in answer to a request is (docs/spec/wire-v1.md, "Statuses"). Statuses and codes are not authenticated, so they
 * do no more than silence could: a code that is none of these few reads as `not_ready`.
 * @param due `sealed` for a request in an envelope, `unsealed` for one that went without
 */
export function readAnswer(read: ReadHeader, due: "sealed" | "unsealed"): AnswerKind {
  const status = read(HEADERS.status);
  if (status === due) return "answer";
  if (status === STATUS.accepted || status === STATUS.busy || status === STATUS.refused) return status;
  switch (readServiceError(read)?.code) {
    case undefined:
      return "none";
    case "BUSY":
      return "busy";
    case "SWITCHED_OFF":
      return "switched_off";
    case "INTERNAL":
      return "internal";
    default:
      return "not_ready";
  }
}
