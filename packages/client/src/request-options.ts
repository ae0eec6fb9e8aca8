import type { ErrorCode } from "@scbe/contracts";
import type { ResponseHeader } from "@scbe/envelope";
import type { Expectations } from "./expectations.ts";

/** What a caller asks, whoever answers it. */
export interface RequestContent {
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
  /** What an answer has to be: one that is not speaks against its provider, and is BAD_ANSWER. Unless told, every answer that verifies is good. */
  readonly expects?: Expectations;
}

/** What a caller asks of one provider. */
export interface RequestOptions extends RequestContent {
  /** One of the deployment's providers: the gateways that may open it. */
  readonly provider: string;
  /** The provider's name for the model. */
  readonly model: string;
  readonly providers?: never;
}

/** What a caller asks of the first of several providers that can serve it. */
export type CandidatesOptions = RequestContent & AttemptLimits & (CandidatesOfModel | CandidatesWithModels);

/** One of several providers; with its own name for the model, where that is not the request's. */
export type Candidate = string | { readonly provider: string; readonly model?: string };

interface CandidatesOfModel {
  /**
   * 1 to 16, in the order in which they are asked; each when the one before it did not serve. Whoever is excluded for its quality, or
   * gets only a share of its traffic back that this request is not in, comes after all others.
   */
  readonly providers: readonly Candidate[];
  /** Of each candidate that names none itself. */
  readonly model: string;
  readonly provider?: never;
}

interface CandidatesWithModels {
  readonly providers: readonly { readonly provider: string; readonly model: string }[];
  readonly model?: never;
  readonly provider?: never;
}

/** How long, and how many, when there are several candidates. */
export interface AttemptLimits {
  /**
   * Milliseconds for each candidate but the last one, which has all that is left; above 0. Unless told, an equal share of
   * what is left for each one that may still be asked.
   */
  readonly attemptTimeoutMs?: number;
  /** How many candidates are asked at most, 1 to 16; default 3. One that nothing was sent to does not count. */
  readonly attemptsMax?: number;
}

/** The answer to a request: verified, unless it is not sealed. */
export interface Answer {
  readonly body: Uint8Array;
  /** Media type of `body`. */
  readonly contentType: string;
  /** The one that was given, or drawn. */
  readonly requestId: string;
  /** Who served it. */
  readonly provider: string;
  /** The candidates before that one, in order, and why each did not serve; empty where `provider` was asked. */
  readonly passedOver: readonly PassedOver[];
  /**
   * False when nobody vouches for it: kill switch or flags had the request travel unsealed, and `SCBE_FALLBACK` permits that. Never
   * so where it does not, which is the default.
   */
  readonly isSealed: boolean;
  /** The response's whole header, all of it authenticated; absent where nothing was sealed. */
  readonly header?: ResponseHeader;
  /**
   * Tries that were sent for it, each in an envelope of its own; more than one after `busy`, silence, a switch, a new replay epoch
   * or a candidate that did not serve.
   */
  readonly envelopes: number;
  /** Milliseconds spent on sealing, all envelopes together. */
  readonly sealMs: number;
  /** Milliseconds from the call to the opened answer. */
  readonly roundTripMs: number;
  /** The trace of this request, where the process traces and this one is sampled. */
  readonly traceId?: string;
}

/** A candidate that did not serve. */
export interface PassedOver {
  readonly provider: string;
  readonly model: string;
  readonly code: ErrorCode;
  /** Tries that were sent to it. At 0 it was left out: nothing of the request has reached it. */
  readonly envelopes: number;
}
