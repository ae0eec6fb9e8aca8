import { ScbeError } from "@scbe/contracts";
import type { Candidate, CandidatesOptions, RequestOptions } from "./request-options.ts";

/** How many candidates a request may name. */
const CANDIDATES_MAX = 16;
const ATTEMPTS_MAX = 3;

/** Whom a request is asked of, in order, and how. */
export interface CandidateList {
  /** The request as each candidate is asked it; one at least. */
  readonly candidates: readonly RequestOptions[];
  /** The caller has named one provider, and no candidates. */
  readonly isOfOne: boolean;
  readonly attemptsMax: number;
  /** Undefined: an equal share. */
  readonly attemptTimeoutMs?: number | undefined;
}

/** @throws ScbeError BAD_REQUEST for candidates or limits that are none */
export function resolveCandidates(options: RequestOptions | CandidatesOptions): CandidateList {
  if (options.providers === undefined) return { candidates: [options], isOfOne: true, attemptsMax: 1 };
  const { providers, provider, model, attemptTimeoutMs, attemptsMax = ATTEMPTS_MAX, ...content } = options;
  if (provider !== undefined) throw bad("provider and providers exclude each other");
  if (!Array.isArray(providers) || !isCount(providers.length))
    throw bad(`providers: 1 to ${CANDIDATES_MAX} candidates are expected`);
  if (!isCount(attemptsMax)) throw bad(`attemptsMax is ${attemptsMax}; it must be 1 to ${CANDIDATES_MAX}`);
  if (attemptTimeoutMs !== undefined && !(attemptTimeoutMs > 0))
    throw bad(`attemptTimeoutMs is ${attemptTimeoutMs}; it must be above 0`);
  const candidates = providers.map((candidate: Candidate) => ({ ...content, ...namesOf(candidate, model) }));
  return { candidates, isOfOne: false, attemptsMax, attemptTimeoutMs };
}

function namesOf(candidate: Candidate, modelOfAll: string | undefined): { provider: string; model: string } {
  const { provider, model = modelOfAll } =
    typeof candidate === "string" ? { provider: candidate } : candidate;
  if (model === undefined) throw bad(`${provider} has no model, and the request has none for all`);
  return { provider, model };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= CANDIDATES_MAX;
}

function bad(text: string): ScbeError {
  return new ScbeError("BAD_REQUEST", text);
}
