import { HEADERS, readServiceError, ScbeError, STATUS, subjectFor } from "@scbe/contracts";
import type { OpenedResponse, Opener, SealedRequest } from "@scbe/envelope";
import type { Bus, BusMessage } from "@scbe/service-kit";

/** How the journey of one envelope ended, other than by an error. */
export type Landing =
  /** A response that opened and is bound to this request; the only outcome that is verified. */
  | { readonly kind: "answered"; readonly response: OpenedResponse }
  /** Noise. */
  | { readonly kind: "refused" }
  /** The gateway was full, and has not opened anything. */
  | { readonly kind: "busy" }
  /** Neither `accepted` nor anything else in time. */
  | { readonly kind: "silent" };

export interface FlightOptions {
  readonly bus: Bus;
  readonly opener: Opener;
  readonly sealed: SealedRequest;
  /** Until the caller's deadline. */
  readonly leftMs: number;
  readonly acceptTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * One envelope's journey to a gateway and back. An answer that does not open, or is bound to something else, counts as not
 * come: the deadline decides. Otherwise whoever saw the reply subject could end the request with any bytes at all.
 * Statuses other than `sealed` are taken without proof; they can do no more than silence could.
 * @throws ScbeError TIMEOUT, ABORTED, NO_RESPONDERS, DISCONNECTED, TOO_LARGE, or what the gateway's service error says
 */
export function fly(options: FlightOptions): Promise<Landing> {
  return new Promise((resolve, reject) => new Flight(options, resolve, reject).start());
}

class Flight {
  readonly #options: FlightOptions;
  readonly #resolve: (landing: Landing) => void;
  readonly #reject: (error: Error) => void;
  readonly #deadline: number;
  #exchange: Disposable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #accepted = false;
  #landed = false;

  constructor(options: FlightOptions, resolve: (landing: Landing) => void, reject: (error: Error) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#deadline = performance.now() + options.leftMs;
  }

  start(): void {
    const { bus, sealed, leftMs, acceptTimeoutMs, signal } = this.#options;
    if (signal?.aborted === true) {
      this.#onAbort();
      return;
    }
    this.#timer = setTimeout(this.#onTimer, Math.min(leftMs, acceptTimeoutMs));
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    try {
      this.#exchange = bus.exchange(subjectFor("request", sealed.header.provider), sealed.bytes, {
        headers: { [HEADERS.timeoutMs]: String(Math.ceil(leftMs)) },
        onAnswer: (message) => this.#onAnswer(message),
        onFailure: (error) => this.#fail(error),
      });
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #onAnswer(message: BusMessage): void {
    switch (message.header(HEADERS.status)) {
      case STATUS.sealed:
        this.#onSealed(message.data);
        return;
      case STATUS.accepted:
        this.#onAccepted();
        return;
      case STATUS.busy:
        this.#land({ kind: "busy" });
        return;
      case STATUS.refused:
        this.#land({ kind: "refused" });
        return;
      default:
        this.#onOther(message);
    }
  }

  #onSealed(data: Uint8Array): void {
    const { opener, sealed } = this.#options;
    const response = opener.openResponse(data, { hash: sealed.hash, ...sealed.header });
    if (response.ok) this.#land({ kind: "answered", response });
  }

  #onAccepted(): void {
    if (this.#accepted) return;
    this.#accepted = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimer, this.#deadline - performance.now());
  }

  #onOther(message: BusMessage): void {
    const error = readServiceError((name) => message.header(name));
    if (error !== undefined) this.#fail(error);
  }

  readonly #onTimer = (): void => {
    const isLate = performance.now() >= this.#deadline - TIMER_SLACK_MS;
    if (isLate) this.#fail(new ScbeError("TIMEOUT", "no answer that opens arrived within the deadline"));
    else {
      this.#cancel();
      this.#land({ kind: "silent" });
    }
  };

  readonly #onAbort = (): void => {
    this.#cancel();
    this.#fail(new ScbeError("ABORTED", "the request was given up by its caller"));
  };

  /** Whoever still works on it, or wakes up to it later, need not. */
  #cancel(): void {
    const { bus, sealed } = this.#options;
    if (this.#exchange === undefined || !bus.connected) return;
    bus.publish(subjectFor("cancel", sealed.header.provider), sealed.hash);
  }

  #land(landing: Landing): void {
    if (this.#close()) this.#resolve(landing);
  }

  #fail(error: Error): void {
    if (this.#close()) this.#reject(error);
  }

  #close(): boolean {
    if (this.#landed) return false;
    this.#landed = true;
    this.#exchange?.[Symbol.dispose]();
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

/** A timer may fire up to this much early against the monotonic clock. */
const TIMER_SLACK_MS = 1;
