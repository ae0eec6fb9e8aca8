import { ATTRIBUTES, withSpan } from "@scbe/bus";
import {
  type ErrorCode,
  isScbeError,
  ScbeError,
  type TrustDocument,
  trustIn,
  trustLabel,
  trustShare,
} from "@scbe/contracts";
import { isInside } from "@scbe/envelope/control";
import { hasRoute } from "../route.ts";
import { Attempt, type AttemptPorts } from "./attempt.ts";
import type { Deadline } from "./deadline.ts";
import type { RequestReply } from "./message.ts";
import type { CandidateList, PassedOver, RequestOptions } from "./options.ts";

/** Of one request. */
const ENVELOPES_MAX = 32;
/** Of a candidate before the last one: enough to find another gateway of its group. */
const ENVELOPES_MAX_BEFORE_OTHERS = 3;
/** With less time left, another candidate is useless. */
const WORTHWHILE_MS = 5;

/** A candidate that did not serve. */
interface Passed {
  readonly candidate: RequestOptions;
  readonly code: ErrorCode;
  readonly envelopes: number;
}

interface Failure extends Passed {
  readonly error: ScbeError;
}

/**
 * Tries the candidates of one request in order, never two at once, until one serves. Candidates that trust does not select come after
 * all others: a doubtful answer is better than none. For one run.
 */
export class Failover {
  readonly #ports: AttemptPorts;
  readonly #list: CandidateList;
  readonly #requestId: string;
  readonly #failures: Failure[] = [];
  /** In the order of the attempts. */
  readonly #candidates: readonly RequestOptions[];
  /** Those that trust puts last. */
  readonly #distrusted: readonly RequestOptions[];
  #current: RequestOptions;
  #envelopes = 0;
  #sealMs = 0;

  constructor(ports: AttemptPorts, list: CandidateList, requestId: string) {
    this.#ports = ports;
    this.#list = list;
    this.#requestId = requestId;
    const { document } = ports.trust;
    const context = { document, requestId, teller: ports.bus.user, now: ports.clock.now() };
    const trusted = list.candidates.filter((it) => isEligible(it, context));
    this.#distrusted = list.candidates.filter((it) => !trusted.includes(it));
    this.#candidates = [...trusted, ...this.#distrusted];
    this.#current = this.#candidates[0] as RequestOptions;
  }

  /** The candidate that served or was tried last; before the first attempt, the first one. */
  get current(): RequestOptions {
    return this.#current;
  }

  /** Sent so far, to all candidates. */
  get envelopes(): number {
    return this.#envelopes;
  }

  /** So far, for all candidates. */
  get sealMs(): number {
    return this.#sealMs;
  }

  /** In the request's order. A candidate that trust put last is included if it comes before the one that served. */
  get passedOver(): PassedOver[] {
    const { candidates } = this.#list;
    const place = ({ candidate }: Passed): number => candidates.indexOf(candidate);
    const untried = this.#distrusted
      .filter((it) => !this.#failures.some(({ candidate }) => candidate === it))
      .map((candidate) => ({ candidate, code: "DISTRUSTED", envelopes: 0 }) as const);
    return [...this.#failures, ...untried.filter((it) => place(it) < candidates.indexOf(this.#current))]
      .toSorted((one, other) => place(one) - place(other))
      .map(({ candidate: { provider, model }, code, envelopes }) => ({ provider, model, code, envelopes }));
  }

  /** @throws ScbeError see `Client.request` */
  async run(deadline: Deadline): Promise<RequestReply> {
    for (const [index, candidate] of this.#candidates.entries()) {
      const isTooLate = index > 0 && deadline.requestLeftMs <= WORTHWHILE_MS;
      const left = this.#attemptsLeftFrom(index);
      if (isTooLate || left === 0) break;
      this.#current = candidate;
      const attempt = this.#begin(deadline, left);
      try {
        return await this.#runInSpan(attempt);
      } catch (error) {
        this.#note(attempt, error);
        if (!canFailOver(error)) throw this.#withCandidates(error);
      } finally {
        this.#envelopes += attempt.envelopes;
        this.#sealMs += attempt.sealMs;
      }
    }
    throw this.#withCandidates(this.#decisiveError());
  }

  /** How many candidates can still be tried by the current routes, including the one at `index`. */
  #attemptsLeftFrom(index: number): number {
    const { attemptsMax } = this.#list;
    const others = this.#candidates.slice(index + 1).filter((it) => this.#hasRoute(it)).length;
    const spent = this.#failures.filter(({ envelopes }) => envelopes > 0).length;
    return Math.min(1 + others, attemptsMax - spent);
  }

  #hasRoute({ provider }: RequestOptions): boolean {
    const { control, fallbackAllowed } = this.#ports;
    return hasRoute(control, { provider, requestId: this.#requestId, fallbackAllowed });
  }

  #begin(deadline: Deadline, left: number): Attempt {
    const isLast = left === 1;
    const share = this.#list.attemptTimeoutMs ?? deadline.requestLeftMs / left;
    deadline.beginAttempt(isLast ? Number.POSITIVE_INFINITY : share);
    const envelopesMax = isLast ? ENVELOPES_MAX - this.#envelopes : ENVELOPES_MAX_BEFORE_OTHERS;
    return new Attempt(this.#ports, {
      request: this.#current,
      requestId: this.#requestId,
      deadline,
      envelopesMax,
    });
  }

  #runInSpan(attempt: Attempt): Promise<RequestReply> {
    if (this.#list.isOfOne) return attempt.run();
    const { provider, model } = this.#current;
    const attributes = { [ATTRIBUTES.provider]: provider, [ATTRIBUTES.model]: model };
    return withSpan("scbe.attempt", { attributes }, async (span) => {
      try {
        return await attempt.run();
      } finally {
        span.setAttribute(ATTRIBUTES.envelopes, attempt.envelopes);
      }
    });
  }

  #note({ envelopes }: Attempt, error: unknown): void {
    if (!isScbeError(error)) return;
    this.#failures.push({ candidate: this.#current, code: error.code, envelopes, error });
  }

  /** The error of the last candidate that was sent something: a later, skipped one would suggest that nothing was sent. */
  #decisiveError(): ScbeError | undefined {
    const { error } =
      this.#failures.findLast(({ envelopes }) => envelopes > 0) ?? this.#failures.at(-1) ?? {};
    return error;
  }

  /** An error that lists all candidates; the error itself for a request to one `provider`. */
  #withCandidates(error: unknown): unknown {
    if (this.#list.isOfOne || !isScbeError(error)) return error;
    const summary = this.#failures.map(({ candidate, code }) => `${candidate.provider}: ${code}`).join(", ");
    const errors = this.#failures.map(({ candidate, code, error: cause }) => {
      return new ScbeError(code, `${candidate.provider}: ${cause.message}`, {
        requestId: this.#requestId,
        cause,
      });
    });
    return new ScbeError(error.code, `${error.message} (${summary})`, {
      cause: new AggregateError(errors, summary),
    });
  }
}

interface TrustContext {
  /** Undefined: every provider is trusted. */
  readonly document: TrustDocument | undefined;
  readonly requestId: string;
  /** The bus user under which this process reports outcomes. */
  readonly teller: string;
  /** ms since the Unix epoch */
  readonly now: number;
}

/** False if the provider is excluded for its quality, or the request falls outside its probation share. */
function isEligible(
  { provider }: RequestOptions,
  { document, requestId, teller, now }: TrustContext,
): boolean {
  if (document === undefined) return true;
  const share = trustShare(trustIn(document, provider), now, teller);
  return share === 100 || isInside(trustLabel(provider), requestId, share);
}

/** True if the next candidate is tried after this error. */
function canFailOver(error: unknown): boolean {
  return isScbeError(error) && CAN_FAIL_OVER[error.code];
}

/** False where the next candidate would fail in the same way, or the caller ended the request. */
const CAN_FAIL_OVER: Readonly<Record<ErrorCode, boolean>> = {
  BAD_REQUEST: false,
  FORBIDDEN: false,
  NOT_READY: true,
  BUSY: true,
  TOO_LARGE: false,
  TIMEOUT: true,
  ABORTED: false,
  NO_RESPONDERS: true,
  DISCONNECTED: false,
  REFUSED: true,
  NO_KEYS: true,
  NO_EPOCH: false,
  SWITCHED_OFF: true,
  HANDLER_FAILED: true,
  BAD_ANSWER: true,
  DISTRUSTED: true,
  CONFLICT: false,
  INTERNAL: true,
};
