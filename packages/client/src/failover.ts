import { ATTRIBUTES, withSpan } from "@scbe/bus";
import { type ErrorCode, isScbeError, ScbeError } from "@scbe/contracts";
import { Attempt, type AttemptPorts } from "./attempt.ts";
import { canFailOver } from "./can-fail-over.ts";
import type { Deadline } from "./deadline.ts";
import { isEligible } from "./is-eligible.ts";
import type { RequestReply } from "./request-message.ts";
import type { PassedOver, RequestOptions } from "./request-options.ts";
import type { CandidateList } from "./resolve-candidates.ts";
import { hasRoute } from "./resolve-route.ts";

/** Of one request. */
const ENVELOPES_MAX = 32;
/** Of a candidate that others may be asked after: as many as find another gateway of its group. */
const ENVELOPES_MAX_BEFORE_OTHERS = 3;
/** With no more time than this another candidate could only be asked in vain. */
const WORTHWHILE_MS = 5;

/** A candidate that did not serve. */
interface Passed {
  readonly asked: RequestOptions;
  readonly code: ErrorCode;
  readonly envelopes: number;
}

interface Failure extends Passed {
  readonly error: ScbeError;
}

/**
 * One request's way through its candidates: never two at once, in order, until one has served. Who is not trusted with it comes after
 * all others, for a doubtful answer is better than none. For one run.
 */
export class Failover {
  readonly #ports: AttemptPorts;
  readonly #plan: CandidateList;
  readonly #requestId: string;
  readonly #failures: Failure[] = [];
  /** In the order in which they are asked. */
  readonly #candidates: readonly RequestOptions[];
  /** Those that come last for want of trust. */
  readonly #distrusted: readonly RequestOptions[];
  #asked: RequestOptions;
  #envelopes = 0;
  #sealMs = 0;

  constructor(ports: AttemptPorts, plan: CandidateList, requestId: string) {
    this.#ports = ports;
    this.#plan = plan;
    this.#requestId = requestId;
    const { document } = ports.trust;
    const trust = { document, requestId, teller: ports.bus.user, now: ports.clock.now() };
    const trusted = plan.candidates.filter((it) => isEligible(it, trust));
    this.#distrusted = plan.candidates.filter((it) => !trusted.includes(it));
    this.#candidates = [...trusted, ...this.#distrusted];
    this.#asked = this.#candidates[0] as RequestOptions;
  }

  /** The candidate that has served, or was asked last; the first one before any. */
  get asked(): RequestOptions {
    return this.#asked;
  }

  /** So far, of all candidates; so are the others. */
  get envelopes(): number {
    return this.#envelopes;
  }

  get sealMs(): number {
    return this.#sealMs;
  }

  /** In the order of the request; of whoever came last for want of trust, those before the one that has served. */
  get passedOver(): PassedOver[] {
    const { candidates } = this.#plan;
    const place = ({ asked }: Passed): number => candidates.indexOf(asked);
    const unasked = this.#distrusted
      .filter((it) => !this.#failures.some(({ asked }) => asked === it))
      .map((asked) => ({ asked, code: "DISTRUSTED", envelopes: 0 }) as const);
    return [...this.#failures, ...unasked.filter((it) => place(it) < candidates.indexOf(this.#asked))]
      .toSorted((one, other) => place(one) - place(other))
      .map(({ asked: { provider, model }, code, envelopes }) => ({ provider, model, code, envelopes }));
  }

  /** @throws ScbeError see `Client.request` */
  async run(patience: Deadline): Promise<RequestReply> {
    for (const [index, asked] of this.#candidates.entries()) {
      const isTooLate = index > 0 && patience.leftOfAllMs <= WORTHWHILE_MS;
      const left = this.#leftFrom(index);
      if (isTooLate || left === 0) break;
      this.#asked = asked;
      const attempt = this.#begin(patience, left);
      try {
        return await this.#spanned(attempt);
      } catch (error) {
        this.#note(attempt, error);
        if (!canFailOver(error)) throw this.#telling(error);
      } finally {
        this.#envelopes += attempt.envelopes;
        this.#sealMs += attempt.sealMs;
      }
    }
    throw this.#telling(this.#decisive());
  }

  /** How many candidates may be asked yet, `index` itself among them, as things are now. */
  #leftFrom(index: number): number {
    const { attemptsMax } = this.#plan;
    const others = this.#candidates.slice(index + 1).filter((it) => this.#hasRoute(it)).length;
    const spent = this.#failures.filter(({ envelopes }) => envelopes > 0).length;
    return Math.min(1 + others, attemptsMax - spent);
  }

  #hasRoute({ provider }: RequestOptions): boolean {
    const { control, fallbackAllowed } = this.#ports;
    return hasRoute(control, { provider, requestId: this.#requestId, fallbackAllowed });
  }

  #begin(patience: Deadline, left: number): Attempt {
    const isLast = left === 1;
    const share = this.#plan.attemptTimeoutMs ?? patience.leftOfAllMs / left;
    patience.beginAttempt(isLast ? Number.POSITIVE_INFINITY : share);
    const envelopesMax = isLast ? ENVELOPES_MAX - this.#envelopes : ENVELOPES_MAX_BEFORE_OTHERS;
    return new Attempt(this.#ports, {
      asked: this.#asked,
      requestId: this.#requestId,
      patience,
      envelopesMax,
    });
  }

  #spanned(attempt: Attempt): Promise<RequestReply> {
    if (this.#plan.isOfOne) return attempt.run();
    const { provider, model } = this.#asked;
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
    this.#failures.push({ asked: this.#asked, code: error.code, envelopes, error });
  }

  /** Of the last candidate that something was sent to: a later one that was left out would tell that nothing was. */
  #decisive(): ScbeError | undefined {
    const { error } =
      this.#failures.findLast(({ envelopes }) => envelopes > 0) ?? this.#failures.at(-1) ?? {};
    return error;
  }

  /** An error that tells of all candidates; where the caller has named one provider, the error itself. */
  #telling(error: unknown): unknown {
    if (this.#plan.isOfOne || !isScbeError(error)) return error;
    const told = this.#failures.map(({ asked, code }) => `${asked.provider}: ${code}`).join(", ");
    const errors = this.#failures.map(({ asked, code, error: cause }) => {
      return new ScbeError(code, `${asked.provider}: ${cause.message}`, {
        requestId: this.#requestId,
        cause,
      });
    });
    return new ScbeError(error.code, `${error.message} (${told})`, {
      cause: new AggregateError(errors, told),
    });
  }
}
