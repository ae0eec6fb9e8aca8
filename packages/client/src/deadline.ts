import { ScbeError } from "@scbe/contracts";
import type { Slots } from "@scbe/runtime";

export interface DeadlineOptions {
  /** Until the deadline, from now. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** All of one client, while they last. */
  readonly among: Slots<Deadline>;
}

/**
 * How long one request may go on: until its deadline, until its caller gives up, or until its client is closed. One
 * listener on the caller's signal for the whole request, however many envelopes and pauses it takes.
 */
export class Deadline implements Disposable {
  /** From its beginning to the deadline. */
  readonly timeoutMs: number;
  readonly #deadline: number;
  #attemptEnd = Number.POSITIVE_INFINITY;
  readonly #signal: AbortSignal | undefined;
  readonly #among: Slots<Deadline>;
  readonly #slot: number;
  #end: ScbeError | undefined;
  #listener: ((end: ScbeError) => void) | undefined;

  constructor({ timeoutMs, signal, among }: DeadlineOptions) {
    this.timeoutMs = timeoutMs;
    this.#deadline = performance.now() + timeoutMs;
    this.#signal = signal;
    this.#among = among;
    this.#slot = among.add(this);
    if (signal?.aborted === true) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Until the attempt is over, or the deadline; not above 0 once that has passed. */
  get leftMs(): number {
    return Math.min(this.#deadline, this.#attemptEnd) - performance.now();
  }

  /** Until the deadline, whatever the attempt has. */
  get leftOfAllMs(): number {
    return this.#deadline - performance.now();
  }

  /** From now on an attempt is under way that has this much time, but no more than there is. */
  beginAttempt(ms: number): void {
    this.#attemptEnd = performance.now() + ms;
  }

  /** @throws what has ended it before its deadline */
  assert(): void {
    if (this.#end !== undefined) throw this.#end;
  }

  /** Has `listener`, in place of any other, told of an end before the deadline. */
  onEnd(listener: ((end: ScbeError) => void) | undefined): void {
    this.#listener = listener;
    if (this.#end !== undefined) listener?.(this.#end);
  }

  /** Ends it; the first end counts. */
  end(error: ScbeError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#listener?.(error);
  }

  /**
   * Waits for `work`, but no longer than `ms` and the deadline: then for nothing more, and the outcome is `undefined`.
   * @throws what `work` throws, or what has ended this meanwhile
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
    this.#among.remove(this.#slot);
    this.#listener = undefined;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (): void =>
    this.end(new ScbeError("ABORTED", "the request was given up by its caller"));
}
