import type { ResponseHeader } from "@scbe/envelope";

/** What a caller asks of a provider. */
export interface RequestOptions {
  /** One of the deployment's providers: the gateways that may open it. */
  readonly provider: string;
  /** The provider's name for the model. */
  readonly model: string;
  /** One of the deployment's intents. */
  readonly intent: string;
  /** May be empty. Not copied: leave it unchanged until the request has ended, since a fresh envelope reads it again. */
  readonly body: Uint8Array;
  /** Media type of `body`: 1 to 128 characters of printable ASCII without `"` and `\`; default `application/json`. */
  readonly contentType?: string;
  /** `sha256:` and 64 hex digits of the schema that `body` follows, for the handler; default `none`. */
  readonly schemaHash?: string;
  /** Lower-case UUID; a random one unless told. The same across all envelopes of this request. */
  readonly requestId?: string;
  /** Milliseconds until the answer, everything included; above 0; default and maximum `SCBE_REQUEST_TIMEOUT_MAX_MS`. */
  readonly timeoutMs?: number;
  /** Gives up at once, and tells the gateway. */
  readonly signal?: AbortSignal;
}

/** The answer to a request: verified, unless it is not sealed. */
export interface Answer {
  readonly body: Uint8Array;
  /** Media type of `body`. */
  readonly contentType: string;
  /** The one that was given, or drawn. */
  readonly requestId: string;
  /**
   * False when nobody vouches for it: kill switch or flags had the request travel unsealed, and `SCBE_FALLBACK` permits that. Never
   * so where it does not, which is the default.
   */
  readonly isSealed: boolean;
  /** The response's whole header, all of it authenticated; absent where nothing was sealed. */
  readonly header?: ResponseHeader;
  /** Tries that were sent for it, each in an envelope of its own; more than one after `busy`, silence, a switch or a new replay epoch. */
  readonly envelopes: number;
  /** Milliseconds spent on sealing, all envelopes together. */
  readonly sealMs: number;
  /** Milliseconds from the call to the opened answer. */
  readonly roundTripMs: number;
  /** The trace of this request, where the process traces and this one is sampled. */
  readonly traceId?: string;
}
