import type { RequestHeader } from "@scbe/envelope";

/** What a gateway serves, and how. */
export interface ServeOptions {
  /** One provider; its gateways share the requests. */
  readonly provider: string;
  /** Intents that are served; all of the client's unless told. */
  readonly intents?: readonly string[];
  /** Models that are served; every one unless told. */
  readonly models?: readonly string[];
  readonly handler: Handler;
  /**
   * Requests at work at once; above it callers hear `busy`, and go to another. Default 256, 1 to 65,536. A handler holds
   * its place until it returns, also when its answer is not wanted any more.
   */
  readonly concurrency?: number;
  /** Milliseconds that disposing waits for what is at work before it aborts it; default 25,000, from 0. */
  readonly drainMs?: number;
}

/**
 * Answers one opened request. What it throws reaches the caller sealed: an `ScbeError` with its code and public text,
 * anything else as HANDLER_FAILED, while the cause goes to the log alone. So does an answer that is none: no bytes, or a
 * content type or schema hash that cannot stand in a header. It may be called more than once for one `request_id`.
 * @example
 * const echo: Handler = ({ body, header }) => ({ body, contentType: header.content_type });
 */
export type Handler = (request: OpenedCall) => Promise<HandlerAnswer> | HandlerAnswer;

/** What every request says of itself, sealed or not. */
export type CallHeader = Pick<
  RequestHeader,
  "provider" | "model" | "intent" | "request_id" | "content_type" | "schema_hash"
>;

/** A request that has been opened: authentic, in time, for this gateway, and not seen before. Or one that is not sealed. */
export interface OpenedCall {
  /** As the caller gave it; may be empty. */
  readonly body: Uint8Array;
  /** Authenticated, unless the request is not sealed. */
  readonly header: CallHeader;
  /**
   * False when nobody vouches for it: kill switch or flags had it travel unsealed, and `SCBE_FALLBACK` permits that. Never so where it
   * does not, which is the default.
   */
  readonly isSealed: boolean;
  /** Aborts at the deadline, when the caller gives up, and when draining takes too long. Nothing is sent after it. */
  readonly signal: AbortSignal;
  /** Milliseconds until the deadline, when the handler starts. */
  readonly remainingMs: number;
}

/** What a handler returns, to be sealed. */
export interface HandlerAnswer {
  /** May be empty. */
  readonly body: Uint8Array;
  /** 1 to 128 characters of printable ASCII without `"` and `\`; default `application/json`. */
  readonly contentType?: string;
  /** `sha256:` and 64 hex digits, or `none`, the default. */
  readonly schemaHash?: string;
}

/**
 * A gateway at work. Disposing leaves the queue group, answers what is at work within `drainMs`, then aborts the rest and
 * tells their callers NOT_READY, sealed. Disposing again waits for the same.
 */
export interface Gateway extends AsyncDisposable {
  /** The provider that it serves. */
  readonly provider: string;
  /** True while it is in the queue group; it leaves when the process is not ready. */
  readonly joined: boolean;
  /** Requests at work, those included that are only being opened or refused. */
  readonly inFlight: number;
}
