import {
  ATTRIBUTES,
  type Bus,
  type BusHeaders,
  headersOf,
  outsideTraces,
  requestSpan,
  type Span,
  setFailure,
} from "@scbe/bus";
import {
  ADMIT_BATCH_MAX,
  ADMIT_ITEM_BYTES,
  type AdmitItem,
  type AdmitVerdict,
  decodeVerdicts,
  encodeAdmitBatch,
  encodeAdmitTraces,
  errorCode,
  HEADERS,
  isScbeError,
  subjectOf,
} from "@scbe/contracts";
import type { Admission } from "@scbe/envelope";
import { backoffMs, type Clock, type Logger } from "@scbe/runtime";

export interface AdmissionsOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  /** From the request to the verdict, resends included. */
  readonly timeoutMs: number;
}

export interface AdmissionsObserver {
  /** A request has its verdict `ms` after it was made. Without an answer in time it is a refusal. */
  decided(provider: string, ms: number): void;
}

interface Waiting {
  readonly item: AdmitItem;
  /** Monotonic ms. */
  readonly askedAt: number;
  readonly decide: (verdict: AdmitVerdict) => void;
  /** In the trace of its own request, whichever batch it travels in. */
  readonly span: Span;
}

/** A frozen member of the queue group swallows requests; the same attempt may be sent again. */
const ASK_AGAIN_AFTER_MS = 75;
/**
 * If the group answered another request quickly within the last `timeoutMs`, a frozen member swallowed the one without an answer. It is
 * sent until it reaches another member: 16 times in the default of 600 ms. Otherwise the group is slow, and the interval doubles: 4 times.
 */
const ASK_SWALLOWED_AGAIN_AFTER_MS = 35;
/** For an empty queue group: a guard that restarts can be back in time. */
const RETRY = { firstMs: 25, maxMs: 150 };

/**
 * Asks the replay guard to admit requests. Those of one turn of the event loop travel as one NATS request for each
 * provider; a lone one does not wait for others. Without a readable verdict in time: refused.
 */
export class Admissions implements Admission {
  readonly #options: AdmissionsOptions;
  #turn = new Map<string, Waiting[]>();
  #waiting = 0;
  #observer: AdmissionsObserver | undefined;
  /** When the group last answered a request before its resend, in monotonic ms. */
  #quickAnswerAt = Number.NEGATIVE_INFINITY;

  constructor(options: AdmissionsOptions) {
    this.#options = options;
  }

  /** The number of requests without a verdict. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Reports every verdict to `observer` from now on. */
  observe(observer: AdmissionsObserver): void {
    this.#observer = observer;
  }

  admit(item: AdmitItem, provider: string): Promise<AdmitVerdict> {
    const askedAt = this.#options.clock.monotonic();
    this.#waiting += 1;
    return new Promise((decide) => {
      if (this.#turn.size === 0) outsideTraces(() => setImmediate(() => this.#endTurn()));
      const span = requestSpan(this.#subjectOf(provider), ADMIT_ITEM_BYTES);
      const waiting = this.#turn.get(provider);
      if (waiting === undefined) this.#turn.set(provider, [{ item, askedAt, decide, span }]);
      else waiting.push({ item, askedAt, decide, span });
    });
  }

  #subjectOf(provider: string): string {
    return subjectOf("admit", { user: this.#options.bus.user, provider });
  }

  #endTurn(): void {
    const turn = this.#turn;
    this.#turn = new Map();
    for (const [provider, waiting] of turn) {
      for (let at = 0; at < waiting.length; at += ADMIT_BATCH_MAX) {
        void this.#decide(provider, waiting.slice(at, at + ADMIT_BATCH_MAX));
      }
    }
  }

  async #decide(provider: string, batch: readonly Waiting[]): Promise<void> {
    const verdicts = await this.#ask(provider, batch);
    const now = this.#options.clock.monotonic();
    for (const [index, { askedAt, decide, span }] of batch.entries()) {
      const verdict = verdicts[index] ?? "refused";
      this.#waiting -= 1;
      this.#observer?.decided(provider, now - askedAt);
      endAdmit(span, verdict);
      decide(verdict);
    }
  }

  #againAfterMs(asked: number): number {
    const { clock, timeoutMs } = this.#options;
    const isQuick = clock.monotonic() - this.#quickAnswerAt < timeoutMs;
    if (asked > 1 && isQuick) return ASK_SWALLOWED_AGAIN_AFTER_MS;
    return ASK_AGAIN_AFTER_MS * 2 ** (asked - 1);
  }

  async #ask(provider: string, batch: readonly Waiting[]): Promise<readonly AdmitVerdict[]> {
    const { bus, clock, timeoutMs, log } = this.#options;
    const data = encodeAdmitBatch(batch.map(({ item }) => item));
    const headers = headersOfBatch(batch);
    const deadline = clock.monotonic() + timeoutMs;
    for (let tries = 1; ; tries += 1) {
      const leftMs = deadline - clock.monotonic();
      try {
        const againAfterMs = (asked: number): number => this.#againAfterMs(asked);
        const options = { timeoutMs: leftMs, againAfterMs, traced: false, ...headers };
        const askedAt = clock.monotonic();
        const answer = await bus.request(this.#subjectOf(provider), data, options);
        const now = clock.monotonic();
        if (now - askedAt < ASK_AGAIN_AFTER_MS) this.#quickAnswerAt = now;
        return decodeVerdicts(answer.data, batch.length);
      } catch (error) {
        const pauseMs = backoffMs(tries, Math.random(), RETRY);
        if (!isTransient(error) || clock.monotonic() + pauseMs >= deadline) {
          log.warn(
            { provider, count: batch.length, code: errorCode(error) },
            "the replay guard did not decide",
          );
          return [];
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }
}

/** The header with the traces of the recorded items. */
function headersOfBatch(batch: readonly Waiting[]): { readonly headers?: BusHeaders } {
  if (!batch.some(({ span }) => span.isRecording())) return {};
  const traceparents = batch.map(({ span }) =>
    span.isRecording() ? headersOf(span)[HEADERS.traceparent] : undefined,
  );
  const header = encodeAdmitTraces(traceparents);
  return header === undefined ? {} : { headers: { [HEADERS.traceparents]: header } };
}

function endAdmit(span: Span, verdict: AdmitVerdict): void {
  span.setAttribute(ATTRIBUTES.verdict, verdict);
  if (verdict !== "fresh") setFailure(span, verdict);
  span.end();
}

/** Failures that can end in time. */
function isTransient(error: unknown): boolean {
  return (
    isScbeError(error, "NO_RESPONDERS") || isScbeError(error, "DISCONNECTED") || isScbeError(error, "BUSY")
  );
}
