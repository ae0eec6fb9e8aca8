/**
 * NATS headers. They stand outside the authenticated bytes: `scbe-*` parameters of seal and open, and hints that can
 * only shorten or decorate. Names are lower case on the wire (NATS headers are case-sensitive).
 */
export const HEADERS = {
  /** What an answer is: one of {@link STATUS}. */
  status: "scbe-status",
  /** Milliseconds that the asker still waits, counted by the receiver from arrival. */
  timeoutMs: "scbe-timeout-ms",
  model: "scbe-model",
  intent: "scbe-intent",
  requestId: "scbe-request-id",
  contentType: "scbe-content-type",
  schemaHash: "scbe-schema-hash",
  ttlSeconds: "scbe-ttl-seconds",
  /** base64url of the SHA-256 of the request's envelope in binary form; of an unsealed request, of 32 random bytes. */
  inReplyTo: "scbe-in-reply-to",
  /** Given with a sealed request, asked for with its response: says that this user has sealed that request. */
  openingToken: "scbe-opening-token",
  kid: "scbe-kid",
  /** Milliseconds since the Unix epoch by the keyring's clock, on each of its broadcasts of the ring. */
  timeMs: "scbe-time-ms",
  traceparent: "traceparent",
  tracestate: "tracestate",
  /** The traces of a batch's items (`admit-traces.ts`). */
  traceparents: "scbe-traceparents",
  contentTypeOfMessage: "content-type",
} as const;

/** Values of `scbe-status`. `refused` looks the same whatever the reason. */
export const STATUS = {
  /** Received, not verified: sent to forgeries too. */
  accepted: "accepted",
  /** A limit is reached; nothing was opened, nothing is burnt; ask another. */
  busy: "busy",
  /** The data is an envelope. */
  sealed: "sealed",
  /** The data is an opened body. */
  opened: "opened",
  /** The data is a body that nobody has sealed: on the fallback subject alone. */
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
