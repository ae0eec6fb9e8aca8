import type { ResponseHeader } from "@scbe/envelope";

/** What a caller asks of a provider. */
export interface RequestOptions {
  /** One of the deployment's providers: the gateways that may open it. */
  readonly provider: string;
  /** The provider's name for the model. */
  readonly model: string;
  /** One of the deployment's intents. */
  readonly intent: string;
  /** May be empty; read before the call returns, and not kept. */
  readonly body: Uint8Array;
  /** Media type of `body`; default `application/json`. */
  readonly contentType?: string;
  /** `sha256:` and 64 hex digits of the schema that `body` follows, for the handler; default `none`. */
  readonly schemaHash?: string;
  /** Lower-case UUID; a random one unless told. The same across all envelopes of this request. */
  readonly requestId?: string;
  /** Until the answer; default and maximum `SCBE_REQUEST_TIMEOUT_MAX_MS`. */
  readonly timeoutMs?: number;
  /** Gives up, and tells the gateway. */
  readonly signal?: AbortSignal;
}

/** A verified answer. */
export interface Answer {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly requestId: string;
  /** The response's whole header; all of it was authenticated. */
  readonly header: ResponseHeader;
  /** Envelopes that were sent for it; more than one after `busy`, silence or a new replay epoch. */
  readonly envelopes: number;
  /** Time spent on sealing, all envelopes together. */
  readonly sealMs: number;
  /** From the call to the opened answer. */
  readonly roundTripMs: number;
}
