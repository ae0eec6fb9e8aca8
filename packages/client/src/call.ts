import { type EndpointRequest, sendingTime } from "@scbe/bus";
import { HEADERS, STATUS } from "@scbe/contracts";

/** Sent by a gateway that has not answered after this long. */
const ACCEPT_AFTER_MS = 250;
const ACCEPTED = { data: new Uint8Array(0), headers: { [HEADERS.status]: STATUS.accepted } };

/** Why nobody waits for the answer any more, or none will be made. */
export type CallEnd = "late" | "cancelled" | "stopping" | "switched_off";

/**
 * One request at a gateway, from its arrival to its answer. It has one timer at a time: first the one that says
 * `accepted`, to a forgery too, then the one for the deadline. The abort signal is made only for a handler that reads it.
 */
export class Call {
  readonly #request: EndpointRequest;
  /** The id that a cancellation of it has; undefined until it has been opened. */
  opens: string | undefined;
  /** False when its answer is not permitted any more. */
  isPermitted: () => boolean = () => true;
  #deadline: number;
  #timer: NodeJS.Timeout | undefined;
  #accepted = false;
  #controller: AbortController | undefined;
  #end: CallEnd | undefined;
  #onForgone: (() => void) | undefined;

  /** @param timeoutMs at most this long, from arrival */
  constructor(request: EndpointRequest, timeoutMs: number) {
    this.#request = request;
    this.#deadline = request.arrivedAt + timeoutMs;
    this.#awaitNext();
  }

  /** The first that came; a deadline that has passed counts from then on, whether or not its timer has fired. */
  get end(): CallEnd | undefined {
    if (this.remainingMs <= 0) this.abort("late");
    return this.#end;
  }

  /** False once its caller waits no more: then there is no answer of any kind. */
  get isAwaited(): boolean {
    return this.remainingMs > 0 && this.#end !== "late" && this.#end !== "cancelled";
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
    this.#awaitNext();
  }

  /** Runs `listener` when the gateway makes no answer of its own any more, and its caller still waits for a word. */
  onForgone(listener: () => void): void {
    this.#onForgone = listener;
  }

  abort(end: CallEnd): void {
    if (this.#end === undefined) {
      this.#end = end;
      if (end === "stopping" || end === "switched_off") this.#onForgone?.();
    }
    this.#controller?.abort();
  }

  /** It was refused. Until the noise comes it looks like any other that is at work, by `accepted` too, and takes no place for that. */
  refuse(): void {
    const { arrivedAt } = this.#request;
    if (this.#accepted || this.#deadline <= arrivedAt + ACCEPT_AFTER_MS) return;
    this.#request.respondEarly({ ...ACCEPTED, notBefore: arrivedAt + ACCEPT_AFTER_MS });
  }

  /** No timer runs any more. */
  close(): void {
    clearTimeout(this.#timer);
  }

  readonly #onTimer = (): void => {
    if (this.end !== undefined) return;
    if (!this.#accepted && this.#acceptInMs() <= 0) this.#accept();
    this.#awaitNext();
  };

  /** In a timer nobody would catch what is thrown; an answer that cannot be sent either is told by who sends it. */
  #accept(): void {
    this.#accepted = true;
    try {
      this.#request.respondEarly(ACCEPTED);
    } catch {
      // A link that is down. The caller sends a fresh envelope.
    }
  }

  #acceptInMs(): number {
    return sendingTime(this.#request.arrivedAt + ACCEPT_AFTER_MS) - performance.now();
  }

  #awaitNext(): void {
    clearTimeout(this.#timer);
    const next = this.#accepted ? this.remainingMs : Math.min(this.#acceptInMs(), this.remainingMs);
    this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(next)));
  }
}
