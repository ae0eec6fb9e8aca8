import { HEADERS, isScbeError, STATUS } from "@scbe/contracts";
import type { EndpointRequest } from "@scbe/service-kit";

/** Sent by a gateway that has not answered after this long. */
const ACCEPT_AFTER_MS = 250;
const ACCEPTED = { data: new Uint8Array(0), headers: { [HEADERS.status]: STATUS.accepted } };

/** Why nobody waits for the answer any more, or none will be made. */
export type CallEnd = "late" | "cancelled" | "stopping";

/**
 * One request at a gateway, from its arrival to its answer. It has one timer at a time: first the one that says
 * `accepted`, to a forgery too, then the one for the deadline. The abort signal is made only for a handler that reads it.
 */
export class Call {
  readonly #request: EndpointRequest;
  #deadline: number;
  #timer: NodeJS.Timeout | undefined;
  #accepted = false;
  #controller: AbortController | undefined;
  #end: CallEnd | undefined;

  /** @param timeoutMs at most this long, from arrival */
  constructor(request: EndpointRequest, timeoutMs: number) {
    this.#request = request;
    this.#deadline = request.arrivedAt + timeoutMs;
    this.#timer = setTimeout(this.#onTimer, Math.min(ACCEPT_AFTER_MS, timeoutMs));
  }

  get end(): CallEnd | undefined {
    if (this.remainingMs <= 0) this.abort("late");
    return this.#end;
  }

  get remainingMs(): number {
    return this.#deadline - performance.now();
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#end !== undefined) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Brings the deadline forward to `ms` from now, if it is later. */
  endWithin(ms: number): void {
    const deadline = performance.now() + ms;
    if (deadline >= this.#deadline) return;
    this.#deadline = deadline;
    if (this.#accepted) this.#awaitDeadline();
  }

  abort(end: CallEnd): void {
    this.#end ??= end;
    this.#controller?.abort();
  }

  /** No timer runs any more. */
  close(): void {
    clearTimeout(this.#timer);
  }

  readonly #onTimer = (): void => {
    if (this.end !== undefined) return;
    if (!this.#accepted) this.#accept();
    this.#awaitDeadline();
  };

  #accept(): void {
    this.#accepted = true;
    try {
      this.#request.respondEarly(ACCEPTED);
    } catch (error) {
      if (!isScbeError(error, "DISCONNECTED")) throw error;
    }
  }

  #awaitDeadline(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimer, Math.max(1, this.remainingMs));
  }
}
