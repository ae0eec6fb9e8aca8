import { ScbeError } from "@scbe/contracts";
import type { Slots } from "@scbe/runtime";

export interface DeadlineOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** The deadlines of all open requests of the client; this one is in it until it is disposed. */
  readonly open: Slots<Deadline>;
}

/**
 * The end of one request: its timeout, the caller's abort, or the closing of the client. It adds one listener to the caller's
 * signal for the whole request, however many envelopes and pauses the request needs.
 */
export class Deadline implements Disposable {
  /** Of the whole request. */
  readonly timeoutMs: number;
  readonly #endsAt: number;
  #attemptEndsAt = Number.POSITIVE_INFINITY;
  readonly #signal: AbortSignal | undefined;
  readonly #open: Slots<Deadline>;
  readonly #slot: number;
  #end: ScbeError | undefined;
  #listener: ((end: ScbeError) => void) | undefined;

  constructor({ timeoutMs, signal, open }: DeadlineOptions) {
    this.timeoutMs = timeoutMs;
    this.#endsAt = performance.now() + timeoutMs;
    this.#signal = signal;
    this.#open = open;
    this.#slot = open.add(this);
    if (signal?.aborted === true) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Milliseconds until the end of the attempt or of the request; 0 or below once that has passed. */
  get leftMs(): number {
    return Math.min(this.#endsAt, this.#attemptEndsAt) - performance.now();
  }

  /** Milliseconds until the end of the request. */
  get requestLeftMs(): number {
    return this.#endsAt - performance.now();
  }

  /** Starts an attempt that ends after `ms`, or at the end of the request if that is sooner. */
  beginAttempt(ms: number): void {
    this.#attemptEndsAt = performance.now() + ms;
  }

  /** @throws the error that ended the request before its timeout */
  assert(): void {
    if (this.#end !== undefined) throw this.#end;
  }

  /** Calls `listener`, in place of any earlier one, if the request ends before its timeout. */
  onEnd(listener: ((end: ScbeError) => void) | undefined): void {
    this.#listener = listener;
    if (this.#end !== undefined) listener?.(this.#end);
  }

  /** Ends the request; only the first call counts. */
  end(error: ScbeError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#listener?.(error);
  }

  /**
   * Waits for `work` for at most `ms`, and not beyond the attempt; then returns `undefined`. Without `work` it is a pause.
   * @throws what `work` throws, or the error that ends the request meanwhile
   */
  async during<T>(ms: number, work?: Promise<T>): Promise<T | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    const timer = setTimeout(() => resolve(undefined), Math.max(0, Math.min(ms, this.leftMs)));
    this.onEnd(reject);
    work?.then(resolve, reject);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.onEnd(undefined);
    }
  }

  [Symbol.dispose](): void {
    this.#open.remove(this.#slot);
    this.#listener = undefined;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (): void => this.end(new ScbeError("ABORTED", "the caller aborted the request"));
}
