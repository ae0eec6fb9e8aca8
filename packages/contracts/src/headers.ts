import { readServiceError } from "./errors.ts";

/**
 * NATS headers. They are not authenticated: parameters of seal and open, and hints that can
 * only shorten a wait or help people. Names are lower case on the wire (NATS headers are case-sensitive).
 */
export const HEADERS = {
  /** The kind of an answer: one of {@link STATUS}. */
  status: "scbe-status",
  /** Milliseconds that the requester still waits, counted by the receiver from arrival. */
  timeoutMs: "scbe-timeout-ms",
  model: "scbe-model",
  intent: "scbe-intent",
  requestId: "scbe-request-id",
  contentType: "scbe-content-type",
  schemaHash: "scbe-schema-hash",
  ttlSeconds: "scbe-ttl-seconds",
  /** base64url of the SHA-256 of the request's envelope in binary form; of an unsealed request, of 32 random bytes. */
  inReplyTo: "scbe-in-reply-to",
  /** Issued with a sealed request, and required with its response: proves that this user sealed that request. */
  openingToken: "scbe-opening-token",
  kid: "scbe-kid",
  /** Milliseconds since the Unix epoch by the keyring's clock, on each of its broadcasts of the ring. */
  timeMs: "scbe-time-ms",
  traceparent: "traceparent",
  tracestate: "tracestate",
  /** The traces of a batch's items (`replay.ts`). */
  traceparents: "scbe-traceparents",
  contentTypeOfMessage: "content-type",
} as const;

/** Values of `scbe-status`. `refused` is the same for every reason. */
export const STATUS = {
  /** Received and not yet verified: forgeries get it, too. */
  accepted: "accepted",
  /** A limit is reached; nothing was opened or used up; try another gateway. */
  busy: "busy",
  /** The data is an envelope. */
  sealed: "sealed",
  /** The data is an opened body. */
  opened: "opened",
  /** The data is an unsealed body: only on the fallback subject. */
  unsealed: "unsealed",
  /** The data is noise. */
  refused: "refused",
} as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];

/** Media type of an envelope in binary form. */
export const ENVELOPE_MEDIA_TYPE = "application/vnd.scbe.envelope";

/**
 * The first value of a header in the header block of a message (`NATS/1.0`, then `name:value` lines), by its exact name, without
 * the spaces and tabs around it (docs/spec/wire-v1.md, "Headers of messages"); `undefined` where it is absent.
 */
export function firstHeader(block: string, name: string): string | undefined {
  if (!block.startsWith("NATS/1.0")) return undefined;
  const line = `\r\n${name}:`;
  const at = block.indexOf(line);
  if (at === -1 || at >= block.indexOf("\r\n\r\n")) return undefined;
  let start = at + line.length;
  const lineEnd = block.indexOf("\r\n", start);
  let end = lineEnd === -1 ? block.length : lineEnd;
  while (start < end && isBlank(block, start)) start += 1;
  while (start < end && isBlank(block, end - 1)) end -= 1;
  return block.slice(start, end);
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}

/** The first value of a header, by its exact name. */
export type ReadHeader = (name: string) => string | undefined;

/** The meaning of one message to the sender of a request. */
export type AnswerKind =
  /** Its data can be the answer. */
  | "answer"
  | "accepted"
  | "busy"
  | "refused"
  | "switched_off"
  /** The gateway cannot serve the request now. */
  | "not_ready"
  /** A defect of the gateway. */
  | "internal"
  /** The message is ignored. */
  | "none";

/**
 * Classifies a message in answer to a request (docs/spec/wire-v1.md, "Statuses"). Statuses and codes are not authenticated, so they
 * cause no more than silence would: any other code reads as `not_ready`.
 * @param due `sealed` for a sealed request, `unsealed` for an unsealed one
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
