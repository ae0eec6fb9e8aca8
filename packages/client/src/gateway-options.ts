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
  /** Requests at work at once; above it callers hear `busy`, and go to another. Default 256. */
  readonly concurrency?: number;
  /** How long disposing waits for what is at work before it aborts it; default 25,000. */
  readonly drainMs?: number;
}

/**
 * Answers one opened request. What it throws reaches the caller sealed: an `ScbeError` with its code and public text,
 * anything else as HANDLER_FAILED, while the cause goes to the log alone.
 */
export type Handler = (request: OpenedCall) => Promise<HandlerAnswer> | HandlerAnswer;

/** A request that has been opened: authentic, in time, for this gateway, and not seen before. */
export interface OpenedCall {
  readonly body: Uint8Array;
  /** All of it was authenticated. */
  readonly header: RequestHeader;
  /** Aborts at the deadline, when the caller gives up, and when draining takes too long. */
  readonly signal: AbortSignal;
  /** Milliseconds until the deadline, when the handler starts. */
  readonly remainingMs: number;
}

export interface HandlerAnswer {
  readonly body: Uint8Array;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** `sha256:` and 64 hex digits, or `none`, the default. */
  readonly schemaHash?: string;
}

/** A gateway at work. Disposing leaves the queue group, answers what is at work within `drainMs`, and aborts the rest. */
export interface Gateway extends AsyncDisposable {
  readonly provider: string;
  /** True while it is in the queue group; it leaves when the process is not ready. */
  readonly joined: boolean;
  /** Requests at work. */
  readonly inFlight: number;
}
