import type { Environment } from "@scbe/contracts";

export const VERSION = 1;
/** AES-256-GCM under a key of HKDF-SHA-256, with a 32-byte commitment to that key. */
export const SUITE = "A256GCM-HKDF-SHA256-COMMIT32";

export type Phase = "request" | "response";

interface CommonHeader {
  readonly v: typeof VERSION;
  readonly suite: typeof SUITE;
  readonly env: Environment;
  readonly kid: string;
  readonly provider: string;
  readonly intent: string;
  readonly model: string;
  /** base64url, 32 bytes: the minute of the session's start, and 28 random bytes. */
  readonly session_id: string;
  /** base64url, 32 bytes */
  readonly commitment: string;
  /** base64url, 12 bytes: the session's prefix, and a counter from 1 */
  readonly nonce: string;
  /** base64url, 24 bytes */
  readonly replay_nonce: string;
  /** The orchestrator's id of the request: the same in its response and in every further envelope for it. */
  readonly request_id: string;
  /** ms since the Unix epoch, by the sealer's clock */
  readonly ts: number;
  /** How long the envelope is valid, in seconds from `ts`. */
  readonly ttl: number;
  readonly content_type: string;
  /** `sha256:` and 64 hex digits, or `none` */
  readonly schema_hash: string;
}

/** The header of a request; all of it is authenticated. Members and forms: docs/spec/envelope-v1.md, "Header". */
export interface RequestHeader extends CommonHeader {
  readonly phase: "request";
  /** base64url, 16 bytes: the replay epoch */
  readonly epoch: string;
}

/** The header of a response. */
export interface ResponseHeader extends CommonHeader {
  readonly phase: "response";
  /** base64url, 32 bytes: SHA-256 of the request's envelope in binary form */
  readonly in_reply_to: string;
  /** The number of this chunk in a stream, from 0; absent in a whole response. */
  readonly seq?: number;
  /** 1 in the last chunk of a stream, 0 in the others. */
  readonly final?: 0 | 1;
}

export type Header = RequestHeader | ResponseHeader;
export type HeaderOf<P extends Phase> = P extends "request" ? RequestHeader : ResponseHeader;

export interface TimeLimits {
  readonly windowSeconds: number;
  /** The most that the sealer's clock and ours may be apart. */
  readonly skewSeconds: number;
}

const MINUTE_MS = 60_000;
const SESSION_MARGIN_MS = 1000;

/**
 * Whether `nowMs` is within the envelope's life, and `ts` within its session's. All bounds are inclusive. The second check keeps
 * an envelope in the bucket of the replay store that remembers its session.
 * @param sessionMinute minutes since the Unix epoch, from the session's id
 */
export function isInTime(header: Header, sessionMinute: number, nowMs: number, limits: TimeLimits): boolean {
  const { ts, ttl } = header;
  const skewMs = limits.skewSeconds * 1000;
  const windowMs = limits.windowSeconds * 1000;
  const minuteMs = sessionMinute * MINUTE_MS;
  return (
    ttl * 1000 <= windowMs &&
    ts - skewMs <= nowMs &&
    nowMs <= ts + ttl * 1000 + skewMs &&
    minuteMs - SESSION_MARGIN_MS <= ts &&
    ts <= minuteMs + MINUTE_MS + windowMs
  );
}
