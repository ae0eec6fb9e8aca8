import { type ErrorCode, ScbeError } from "@scbe/contracts";
import type { ResponseHeader } from "@scbe/envelope";
import type { Expectations } from "./expectations.ts";

/** A request, without the provider. */
export interface RequestContent {
  /** One of the deployment's intents. */
  readonly intent: string;
  /** May be empty. Not copied: do not change it until the request has ended, because each fresh envelope reads it again. */
  readonly body: Uint8Array;
  /** Media type of `body`: 1 to 128 characters of printable ASCII without `"` and `\`; default `application/json`. */
  readonly contentType?: string;
  /** `sha256:` and 64 hex digits of the schema that `body` follows, for the handler; default `none`. */
  readonly schemaHash?: string;
  /** Lower-case UUID; default random. The same across all envelopes of this request. */
  readonly requestId?: string;
  /** Milliseconds from the call to the answer; above 0; default and maximum `SCBE_REQUEST_TIMEOUT_MAX_MS`. */
  readonly timeoutMs?: number;
  /** Aborts the request at once and cancels it at the gateway. */
  readonly signal?: AbortSignal;
  /** Checks on the answer: one that fails them is BAD_ANSWER and counts against its provider. By default every verified answer is accepted. */
  readonly expects?: Expectations;
}

/** A request to one provider. */
export interface RequestOptions extends RequestContent {
  /** One of the deployment's providers: only its gateways can open the request. */
  readonly provider: string;
  /** The provider's name for the model. */
  readonly model: string;
  readonly providers?: never;
}

/** A request to the first of several providers that serves it. */
export type CandidatesOptions = RequestContent & AttemptLimits & (CandidatesOfModel | CandidatesWithModels);

/** One of several providers, with its own name for the model where that differs from the request's. */
export type Candidate = string | { readonly provider: string; readonly model?: string };

interface CandidatesOfModel {
  /**
   * 1 to 16, tried in this order, each after the one before it failed. A provider comes after all others if it is excluded for its
   * quality, or on probation with a share of traffic that does not include this request.
   */
  readonly providers: readonly Candidate[];
  /** For each candidate that names no model itself. */
  readonly model: string;
  readonly provider?: never;
}

interface CandidatesWithModels {
  readonly providers: readonly { readonly provider: string; readonly model: string }[];
  readonly model?: never;
  readonly provider?: never;
}

/** Limits of the attempts when there are several candidates. */
export interface AttemptLimits {
  /**
   * Milliseconds for each candidate except the last one, which has all remaining time; above 0. By default the remaining time is
   * divided equally among the candidates that can still be tried.
   */
  readonly attemptTimeoutMs?: number;
  /** Maximum number of candidates to try, 1 to 16; default 3. A candidate to which nothing was sent does not count. */
  readonly attemptsMax?: number;
}

/** The answer to a request: verified, unless it is not sealed. */
export interface Answer {
  readonly body: Uint8Array;
  /** Media type of `body`. */
  readonly contentType: string;
  /** The caller's, or the random one. */
  readonly requestId: string;
  /** The provider that served the request. */
  readonly provider: string;
  /** The candidates before that one, in order, and why each did not serve; empty for a request to one `provider`. */
  readonly passedOver: readonly PassedOver[];
  /**
   * False when the answer is not authenticated: the kill switch or a flag sent the request unsealed, and `SCBE_FALLBACK` permits that.
   * Always true under the default, `refuse`.
   */
  readonly isSealed: boolean;
  /** The response's whole header, authenticated; absent where nothing was sealed. */
  readonly header?: ResponseHeader;
  /**
   * Messages that were sent for this request, each in its own envelope. More than one after `busy`, silence, a switch, a new replay
   * epoch or a candidate that did not serve.
   */
  readonly envelopes: number;
  /** Milliseconds that sealing took, all envelopes together. */
  readonly sealMs: number;
  /** Milliseconds from the call to the opened answer. */
  readonly roundTripMs: number;
  /** The request's trace, if the process traces and this request is sampled. */
  readonly traceId?: string;
}

/** A candidate that did not serve. */
export interface PassedOver {
  readonly provider: string;
  readonly model: string;
  readonly code: ErrorCode;
  /** Messages that were sent to it. At 0 it was skipped: nothing of the request has reached it. */
  readonly envelopes: number;
}

const CANDIDATES_MAX = 16;
const ATTEMPTS_MAX = 3;

/** The candidates of a request, in the caller's order, and their limits. */
export interface CandidateList {
  /** The request as each candidate gets it; at least one. */
  readonly candidates: readonly RequestOptions[];
  /** True if the caller named one `provider` instead of `providers`. */
  readonly isOfOne: boolean;
  readonly attemptsMax: number;
  /** Undefined: an equal share of the remaining time. */
  readonly attemptTimeoutMs?: number | undefined;
}

/** @throws ScbeError BAD_REQUEST for invalid candidates or limits */
export function resolveCandidates(options: RequestOptions | CandidatesOptions): CandidateList {
  if (options.providers === undefined) return { candidates: [options], isOfOne: true, attemptsMax: 1 };
  const { providers, provider, model, attemptTimeoutMs, attemptsMax = ATTEMPTS_MAX, ...content } = options;
  if (provider !== undefined) throw bad("provider and providers exclude each other");
  if (!Array.isArray(providers) || !isCount(providers.length))
    throw bad(`providers must be a list of 1 to ${CANDIDATES_MAX} candidates`);
  if (!isCount(attemptsMax)) throw bad(`attemptsMax is ${attemptsMax}; it must be 1 to ${CANDIDATES_MAX}`);
  if (attemptTimeoutMs !== undefined && !(attemptTimeoutMs > 0))
    throw bad(`attemptTimeoutMs is ${attemptTimeoutMs}; it must be above 0`);
  const candidates = providers.map((candidate: Candidate) => ({ ...content, ...namesOf(candidate, model) }));
  return { candidates, isOfOne: false, attemptsMax, attemptTimeoutMs };
}

/** @throws ScbeError BAD_REQUEST */
export function timeoutOf({ timeoutMs }: RequestContent, max: number): number {
  if (timeoutMs === undefined) return max;
  if (timeoutMs > 0 && timeoutMs <= max) return timeoutMs;
  throw bad(`timeoutMs is ${timeoutMs}; it must be above 0 and at most ${max}`);
}

function namesOf(candidate: Candidate, sharedModel: string | undefined): { provider: string; model: string } {
  const { provider, model = sharedModel } =
    typeof candidate === "string" ? { provider: candidate } : candidate;
  if (model === undefined)
    throw bad(`${provider} has no model, and the request names none for all candidates`);
  return { provider, model };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= CANDIDATES_MAX;
}

function bad(text: string): ScbeError {
  return new ScbeError("BAD_REQUEST", text);
}
