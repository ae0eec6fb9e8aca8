import { type EndpointRequest, sendingTime } from "@scbe/bus";
import { HEADERS, STATUS } from "@scbe/contracts";

/** A gateway that has not answered after this long sends `accepted`. */
const ACCEPT_AFTER_MS = 250;
const ACCEPTED = { data: new Uint8Array(0), headers: { [HEADERS.status]: STATUS.accepted } };

/** Why the handler's answer is not sent. */
export type CallEnd = "late" | "cancelled" | "stopping" | "switched_off";

/**
 * One request at a gateway, from its arrival to its answer. It has one timer at a time: first for `accepted`, which a forgery gets,
 * too, then for the deadline. The abort signal is created only if the handler reads it.
 */
export class Call {
  readonly #request: EndpointRequest;
  /** Names it in a cancellation; undefined until it has been opened. */
  cancelId: string | undefined;
  /** False once its answer is no longer permitted. */
  isPermitted: () => boolean = () => true;
  #deadline: number;
  #timer: NodeJS.Timeout | undefined;
  #accepted = false;
  #controller: AbortController | undefined;
  #end: CallEnd | undefined;
  #onAbandoned: (() => void) | undefined;

  /** @param timeoutMs from arrival */
  constructor(request: EndpointRequest, timeoutMs: number) {
    this.#request = request;
    this.#deadline = request.arrivedAt + timeoutMs;
    this.#startTimer();
  }

  /** The first end. A deadline that has passed counts even if its timer has not fired yet. */
  get end(): CallEnd | undefined {
    if (this.remainingMs <= 0) this.abort("late");
    return this.#end;
  }

  /** False once the caller no longer waits: then no answer of any kind is sent. */
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
    this.#startTimer();
  }

  /** Runs `listener` when the gateway drops the handler's answer while the caller still waits. */
  onAbandoned(listener: () => void): void {
    this.#onAbandoned = listener;
  }

  abort(end: CallEnd): void {
    if (this.#end === undefined) {
      this.#end = end;
      if (end === "stopping" || end === "switched_off") this.#onAbandoned?.();
    }
    this.#controller?.abort();
  }

  /** Makes a refused request look like a slow one until its noise is due: schedules `accepted`, which takes no place. */
  refuse(): void {
    const { arrivedAt } = this.#request;
    if (this.#accepted || this.#deadline <= arrivedAt + ACCEPT_AFTER_MS) return;
    this.#request.respondEarly({ ...ACCEPTED, notBefore: arrivedAt + ACCEPT_AFTER_MS });
  }

  /** Stops the timer. */
  close(): void {
    clearTimeout(this.#timer);
  }

  readonly #onTimer = (): void => {
    if (this.end !== undefined) return;
    if (!this.#accepted && this.#acceptInMs() <= 0) this.#accept();
    this.#startTimer();
  };

  #accept(): void {
    this.#accepted = true;
    try {
      this.#request.respondEarly(ACCEPTED);
    } catch {
      // The link is down: the caller sends a fresh envelope, and sending the answer reports the error.
    }
  }

  #acceptInMs(): number {
    return sendingTime(this.#request.arrivedAt + ACCEPT_AFTER_MS) - performance.now();
  }

  #startTimer(): void {
    clearTimeout(this.#timer);
    const next = this.#accepted ? this.remainingMs : Math.min(this.#acceptInMs(), this.remainingMs);
    this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(next)));
  }
}

const HASH_BYTES = 32;

/**
 * Recent cancellations, so that one that arrives before its request is opened still counts. Bounded: the oldest is dropped first.
 * Publishers of cancellations can name any hash, and stop no other request with it.
 */
export class Cancellations {
  readonly #max: number;
  readonly #ids = new Set<string>();

  constructor(max = 4096) {
    this.#max = max;
  }

  /** Returns the id of the cancelled request; `undefined` if `data` is not a SHA-256. */
  note(data: Uint8Array): string | undefined {
    if (data.length !== HASH_BYTES) return undefined;
    const id = cancelIdOf(data);
    this.#ids.add(id);
    if (this.#ids.size > this.#max) this.#dropOldest();
    return id;
  }

  has(id: string): boolean {
    return this.#ids.size > 0 && this.#ids.has(id);
  }

  #dropOldest(): void {
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }
}

/** A request's envelope hash as a string. */
export function cancelIdOf(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString("latin1");
}
