import { ScbeError } from "@scbe/contracts";
import type { RequestHeader } from "@scbe/envelope";

/** What a gateway serves, and how. */
export interface ServeOptions {
  /** One provider; its gateways share the requests. */
  readonly provider: string;
  /** Intents to serve; default all of the client's. */
  readonly intents?: readonly string[];
  /** Models to serve; default all. */
  readonly models?: readonly string[];
  readonly handler: Handler;
  /**
   * Maximum number of requests at work; above it callers get `busy` and try another gateway. Default 256, 1 to 65,536. A handler holds
   * its place until it returns, even if its answer is no longer needed.
   */
  readonly concurrency?: number;
  /** Milliseconds for which disposing waits for open requests before it aborts them; default 25,000, from 0. */
  readonly drainMs?: number;
}

/**
 * Answers one opened request. An error reaches the caller sealed: an `ScbeError` with its code and public text, any other error as
 * HANDLER_FAILED, with the cause in the log only. An invalid answer is HANDLER_FAILED, too: a body without bytes, or a content type or
 * schema hash that a header cannot carry. The handler can run more than once for one `request_id`.
 * @example
 * const echo: Handler = ({ body, header }) => ({ body, contentType: header.content_type });
 */
export type Handler = (request: OpenedCall) => Promise<HandlerAnswer> | HandlerAnswer;

/** The header members of every request, sealed or not. */
export type CallHeader = Pick<
  RequestHeader,
  "provider" | "model" | "intent" | "request_id" | "content_type" | "schema_hash"
>;

/** An opened request: authentic, in time, for this gateway, and not seen before. Or an unsealed one. */
export interface OpenedCall {
  /** As the caller sent it; can be empty. */
  readonly body: Uint8Array;
  /** Authenticated, unless the request is not sealed. */
  readonly header: CallHeader;
  /**
   * False when the request is not authenticated: the kill switch or a flag sent it unsealed, and `SCBE_FALLBACK` permits that. Always
   * true under the default, `refuse`.
   */
  readonly isSealed: boolean;
  /** Aborts at the deadline, when the caller cancels, and when draining takes too long. No answer is sent after that. */
  readonly signal: AbortSignal;
  /** Milliseconds until the deadline, when the handler starts. */
  readonly remainingMs: number;
}

/** The handler's answer, before it is sealed. */
export interface HandlerAnswer {
  /** May be empty. */
  readonly body: Uint8Array;
  /** 1 to 128 characters of printable ASCII without `"` and `\`; default `application/json`. */
  readonly contentType?: string;
  /** `sha256:` and 64 hex digits, or `none`, the default. */
  readonly schemaHash?: string;
}

/**
 * A running gateway. Disposing leaves the queue group, answers open requests for up to `drainMs`, then aborts the rest and answers
 * their callers NOT_READY, sealed. A second disposal waits for the first.
 */
export interface Gateway extends AsyncDisposable {
  readonly provider: string;
  /** True while it is in the queue group; it leaves when the process is not ready. */
  readonly joined: boolean;
  /** Requests at work, including those that are being opened or refused. */
  readonly inFlight: number;
}

const CONCURRENCY_MAX = 65_536;
/** The maximum delay of a Node timer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** @throws ScbeError BAD_REQUEST that lists every problem */
export function checkServeOptions(
  options: ServeOptions,
  client: { readonly providers: readonly string[]; readonly intents: readonly string[] },
): void {
  const { provider, intents = client.intents, handler, concurrency = 1, drainMs = 0 } = options;
  const problems = [
    ...unknown([provider], client.providers, "provider"),
    ...unknown(intents, client.intents, "intent"),
    ...(intents.length === 0 ? ["intents is empty"] : []),
    ...(typeof handler === "function" ? [] : ["handler is not a function"]),
    ...(isInteger(concurrency, 1, CONCURRENCY_MAX) ? [] : [`concurrency must be 1 to ${CONCURRENCY_MAX}`]),
    ...(isInteger(drainMs, 0, TIMER_MS_MAX) ? [] : [`drainMs must be 0 to ${TIMER_MS_MAX}, in whole ms`]),
  ];
  if (problems.length > 0) throw new ScbeError("BAD_REQUEST", `cannot serve: ${problems.join("; ")}`);
}

function unknown(names: readonly string[], known: readonly string[], kind: string): string[] {
  return names
    .filter((name) => !known.includes(name))
    .map((name) => `the client is not configured for the ${kind} ${name}`);
}

function isInteger(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
