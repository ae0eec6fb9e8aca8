import {
  ATTRIBUTES,
  type Bus,
  type BusHeaders,
  type BusMessage,
  failSpan,
  headersOf,
  inSpan,
  requestSpan,
  type Span,
  setFailure,
} from "@scbe/bus";
import { HEADERS, isScbeError, readAnswer, readServiceError, ScbeError, subjectOf } from "@scbe/contracts";
import type { Slots } from "@scbe/runtime";
import type { Deadline } from "./deadline.ts";
import type { RequestMessage, RequestReply } from "./request-message.ts";

/** How the journey of one cargo ended, other than by an error. */
export type ExchangeOutcome =
  /** What the cargo takes for its answer; of an envelope, a response that opens and is bound to it. */
  | { readonly kind: "answered"; readonly answer: RequestReply }
  /** Noise. */
  | { readonly kind: "refused" }
  /** The gateway was full, and has not opened anything. */
  | { readonly kind: "busy" }
  /** Neither `accepted` nor anything else in time. */
  | { readonly kind: "silent" }
  /** Its way was closed: this process heard so, or a gateway says so. */
  | { readonly kind: "switched_off" };

export interface RequestExchangeOptions {
  readonly bus: Bus;
  readonly cargo: RequestMessage;
  readonly patience: Deadline;
  readonly acceptTimeoutMs: number;
  /** Runs once, when a gateway has accepted the cargo or answered it. */
  readonly onSign?: () => void;
  /** All of one client, while they last. */
  readonly among: Slots<RequestExchange>;
}

/**
 * One cargo's journey to a gateway and back. An answer that is none to it counts as not come: the deadline decides. Otherwise
 * whoever saw the reply subject could end the request with any bytes at all. Statuses other than that of an answer are
 * taken without proof; they can do no more than silence could.
 * @throws ScbeError TIMEOUT, NO_RESPONDERS, DISCONNECTED, TOO_LARGE, FORBIDDEN, what ended the patience, or NOT_READY and
 *   INTERNAL for a service error of the gateway
 */
export function exchangeMessage(options: RequestExchangeOptions): Promise<ExchangeOutcome> {
  return new Promise((resolve, reject) => new RequestExchange(options, resolve, reject).start());
}

/** One cargo under way. */
export class RequestExchange {
  readonly #options: RequestExchangeOptions;
  readonly #resolve: (landing: ExchangeOutcome) => void;
  readonly #reject: (error: Error) => void;
  readonly #subject: string;
  readonly #span: Span;
  #exchange: Disposable | undefined;
  readonly #slot: number;
  #timer: NodeJS.Timeout | undefined;
  #accepted = false;
  #landed = false;

  constructor(
    options: RequestExchangeOptions,
    resolve: (landing: ExchangeOutcome) => void,
    reject: (error: Error) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    const { subject, provider, bytes } = options.cargo;
    this.#subject = subjectOf(subject, { user: options.bus.user, provider });
    this.#span = requestSpan(this.#subject, bytes.length);
    this.#slot = options.among.add(this);
  }

  start(): void {
    const { patience, acceptTimeoutMs } = this.#options;
    const { leftMs } = patience;
    patience.onEnd(this.#onEnd);
    if (leftMs <= 0) this.#fail(late());
    if (this.#landed) return;
    this.#timer = setTimeout(this.#onTimer, Math.min(leftMs, acceptTimeoutMs));
    try {
      this.#exchange = this.#send({
        ...this.#options.cargo.headers,
        [HEADERS.timeoutMs]: String(Math.ceil(leftMs)),
      });
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** The control document has changed: what its way is closed to comes down, and its gateway need not go on. */
  obey(): void {
    if (this.#landed || this.#options.cargo.isPermitted()) return;
    this.#cancel();
    this.#land({ kind: "switched_off" });
  }

  /** What just fits the bus goes without its trace rather than not at all. */
  #send(headers: BusHeaders): Disposable {
    try {
      return this.#exchangeWith({ ...headers, ...headersOf(this.#span) });
    } catch (error) {
      if (!isScbeError(error, "TOO_LARGE")) throw error;
      return this.#exchangeWith(headers);
    }
  }

  #exchangeWith(headers: BusHeaders): Disposable {
    const { bus, cargo } = this.#options;
    return bus.exchange(this.#subject, cargo.bytes, {
      headers,
      onAnswer: (message) => this.#onAnswer(message),
      onFailure: (error) => this.#fail(error),
    });
  }

  #onAnswer(message: BusMessage): void {
    const kind = readAnswer((name) => message.header(name), this.#options.cargo.answeredBy);
    switch (kind) {
      case "answer":
        this.#onAnswered(message);
        return;
      case "accepted":
        this.#onAccepted();
        return;
      case "busy":
        this.#onBusy();
        return;
      case "refused":
      case "switched_off":
        this.#land({ kind });
        return;
      case "not_ready":
      case "internal":
        this.#fail(unsealed(kind, message));
    }
  }

  #onAnswered(message: BusMessage): void {
    const answer = inSpan(this.#span, () => this.#options.cargo.open(message));
    if (answer === undefined || this.#landed) return;
    if (!this.#accepted) this.#options.onSign?.();
    this.#land({ kind: "answered", answer });
  }

  #onAccepted(): void {
    if (this.#accepted) return;
    this.#accepted = true;
    this.#options.onSign?.();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimer, Math.max(1, this.#options.patience.leftMs));
  }

  /** A gateway that has accepted is not full any more: it would be a second envelope while the first is at work. */
  #onBusy(): void {
    if (!this.#accepted) this.#land({ kind: "busy" });
  }

  readonly #onTimer = (): void => {
    this.#cancel();
    const isLate = this.#accepted || this.#options.patience.leftMs <= WORTHWHILE_MS;
    if (isLate) this.#fail(late());
    else this.#land({ kind: "silent" });
  };

  readonly #onEnd = (end: ScbeError): void => {
    this.#cancel();
    this.#fail(end);
  };

  /** Whoever still works on it, or wakes up to it later, need not. A link that is going down carries no such word. */
  #cancel(): void {
    const { bus, cargo } = this.#options;
    if (this.#exchange === undefined || !bus.connected) return;
    try {
      bus.publish(subjectOf("cancel", { provider: cargo.provider }), cargo.id);
    } catch {
      // The gateway has the deadline, too.
    }
  }

  #land(landing: ExchangeOutcome): void {
    if (!this.#close()) return;
    const { kind } = landing;
    this.#span.setAttribute(ATTRIBUTES.landing, kind);
    if (kind !== "answered") setFailure(this.#span, kind);
    this.#span.end();
    this.#resolve(landing);
  }

  #fail(error: Error): void {
    if (!this.#close()) return;
    failSpan(this.#span, error);
    this.#span.end();
    this.#reject(error);
  }

  #close(): boolean {
    if (this.#landed) return false;
    this.#landed = true;
    this.#exchange?.[Symbol.dispose]();
    clearTimeout(this.#timer);
    this.#options.patience.onEnd(undefined);
    this.#options.among.remove(this.#slot);
    return true;
  }
}

/**
 * With no more time than this another envelope could only be opened in vain. Timers may fire a millisecond or two early
 * against the monotonic clock, so the deadline's own would else be taken for silence.
 */
const WORTHWHILE_MS = 5;

function late(): ScbeError {
  return new ScbeError("TIMEOUT", "no answer that opens arrived within the deadline");
}

/** Codes and texts outside a seal are not authenticated; only a sealed problem is believed. */
function unsealed(kind: "not_ready" | "internal", message: BusMessage): ScbeError {
  const code = readServiceError((name) => message.header(name))?.code ?? "INTERNAL";
  const text = `a gateway answered without a seal: ${code}`;
  return new ScbeError(kind === "internal" ? "INTERNAL" : "NOT_READY", text);
}
