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
import type { RequestMessage, RequestReply } from "./message.ts";

/** How the exchange of one message ended, if not with an error. */
export type ExchangeOutcome =
  /** The message was answered: for an envelope, by a response that opens and is bound to it. */
  | { readonly kind: "answered"; readonly answer: RequestReply }
  /** The gateway sent noise. */
  | { readonly kind: "refused" }
  /** The gateway was full and opened nothing. */
  | { readonly kind: "busy" }
  /** Neither `accepted` nor an answer came within the accept timeout. */
  | { readonly kind: "silent" }
  /** This process or the gateway learned that the provider is switched off. */
  | { readonly kind: "switched_off" };

export interface RequestExchangeOptions {
  readonly bus: Bus;
  readonly message: RequestMessage;
  readonly deadline: Deadline;
  readonly acceptTimeoutMs: number;
  /** Runs once, when a gateway has accepted or answered the message. */
  readonly onResponse?: () => void;
  /** The open exchanges of the client; this one is in it until it ends. */
  readonly open: Slots<RequestExchange>;
}

/**
 * Sends one message and waits for its reply. Replies that do not open, or are not bound to the message, are ignored: otherwise any
 * process that sees the reply subject could end the request. The other statuses are not authenticated; a forged one does no more harm
 * than silence.
 * @throws ScbeError TIMEOUT, NO_RESPONDERS, DISCONNECTED, TOO_LARGE, FORBIDDEN, the error that ended the deadline, or NOT_READY and
 *   INTERNAL for a service error of the gateway
 */
export function exchangeMessage(options: RequestExchangeOptions): Promise<ExchangeOutcome> {
  return new Promise((resolve, reject) => new RequestExchange(options, resolve, reject).start());
}

/** One message in flight. */
export class RequestExchange {
  readonly #options: RequestExchangeOptions;
  readonly #resolve: (outcome: ExchangeOutcome) => void;
  readonly #reject: (error: Error) => void;
  readonly #subject: string;
  readonly #span: Span;
  #exchange: Disposable | undefined;
  readonly #slot: number;
  #timer: NodeJS.Timeout | undefined;
  #accepted = false;
  #ended = false;

  constructor(
    options: RequestExchangeOptions,
    resolve: (outcome: ExchangeOutcome) => void,
    reject: (error: Error) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    const { subject, provider, bytes } = options.message;
    this.#subject = subjectOf(subject, { user: options.bus.user, provider });
    this.#span = requestSpan(this.#subject, bytes.length);
    this.#slot = options.open.add(this);
  }

  start(): void {
    const { deadline, acceptTimeoutMs } = this.#options;
    const { leftMs } = deadline;
    deadline.onEnd(this.#onEnd);
    if (leftMs <= 0) this.#fail(timedOut());
    if (this.#ended) return;
    this.#timer = setTimeout(this.#onTimer, Math.min(leftMs, acceptTimeoutMs));
    try {
      this.#exchange = this.#send({
        ...this.#options.message.headers,
        [HEADERS.timeoutMs]: String(Math.ceil(leftMs)),
      });
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Ends the exchange, and cancels it at the gateway, if its answer is no longer permitted. */
  onControlChange(): void {
    if (this.#ended || this.#options.message.isPermitted()) return;
    this.#cancel();
    this.#finish({ kind: "switched_off" });
  }

  /** Drops the trace headers if the message fits the bus only without them. */
  #send(headers: BusHeaders): Disposable {
    try {
      return this.#exchangeWith({ ...headers, ...headersOf(this.#span) });
    } catch (error) {
      if (!isScbeError(error, "TOO_LARGE")) throw error;
      return this.#exchangeWith(headers);
    }
  }

  #exchangeWith(headers: BusHeaders): Disposable {
    const { bus, message } = this.#options;
    return bus.exchange(this.#subject, message.bytes, {
      headers,
      onAnswer: (reply) => this.#onReply(reply),
      onFailure: (error) => this.#fail(error),
    });
  }

  #onReply(reply: BusMessage): void {
    const kind = readAnswer((name) => reply.header(name), this.#options.message.answeredBy);
    switch (kind) {
      case "answer":
        this.#onAnswer(reply);
        return;
      case "accepted":
        this.#onAccepted();
        return;
      case "busy":
        this.#onBusy();
        return;
      case "refused":
      case "switched_off":
        this.#finish({ kind });
        return;
      case "not_ready":
      case "internal":
        this.#fail(serviceError(kind, reply));
    }
  }

  #onAnswer(reply: BusMessage): void {
    const answer = inSpan(this.#span, () => this.#options.message.open(reply));
    if (answer === undefined || this.#ended) return;
    if (!this.#accepted) this.#options.onResponse?.();
    this.#finish({ kind: "answered", answer });
  }

  #onAccepted(): void {
    if (this.#accepted) return;
    this.#accepted = true;
    this.#options.onResponse?.();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimer, Math.max(1, this.#options.deadline.leftMs));
  }

  /** After `accepted`, a second envelope would go out while a gateway works on the first. */
  #onBusy(): void {
    if (!this.#accepted) this.#finish({ kind: "busy" });
  }

  readonly #onTimer = (): void => {
    this.#cancel();
    const isOver = this.#accepted || this.#options.deadline.leftMs <= WORTHWHILE_MS;
    if (isOver) this.#fail(timedOut());
    else this.#finish({ kind: "silent" });
  };

  readonly #onEnd = (end: ScbeError): void => {
    this.#cancel();
    this.#fail(end);
  };

  /** Stops a gateway that works on the message, or receives it later. */
  #cancel(): void {
    const { bus, message } = this.#options;
    if (this.#exchange === undefined || !bus.connected) return;
    try {
      bus.publish(subjectOf("cancel", { provider: message.provider }), message.id);
    } catch {
      // The gateway stops at the deadline.
    }
  }

  #finish(outcome: ExchangeOutcome): void {
    if (!this.#close()) return;
    const { kind } = outcome;
    this.#span.setAttribute(ATTRIBUTES.landing, kind);
    if (kind !== "answered") setFailure(this.#span, kind);
    this.#span.end();
    this.#resolve(outcome);
  }

  #fail(error: Error): void {
    if (!this.#close()) return;
    failSpan(this.#span, error);
    this.#span.end();
    this.#reject(error);
  }

  /** False if it was closed before. */
  #close(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#exchange?.[Symbol.dispose]();
    clearTimeout(this.#timer);
    this.#options.deadline.onEnd(undefined);
    this.#options.open.remove(this.#slot);
    return true;
  }
}

/**
 * With less time left, another envelope is useless. Timers can fire a millisecond or two early by the monotonic clock; without this
 * margin the deadline's own timer would count as silence.
 */
const WORTHWHILE_MS = 5;

function timedOut(): ScbeError {
  return new ScbeError("TIMEOUT", "no answer that opens arrived within the deadline");
}

/** Codes and texts outside a seal are not authenticated: only the kind is used, never the text. */
function serviceError(kind: "not_ready" | "internal", reply: BusMessage): ScbeError {
  const code = readServiceError((name) => reply.header(name))?.code ?? "INTERNAL";
  const text = `a gateway answered without a seal: ${code}`;
  return new ScbeError(kind === "internal" ? "INTERNAL" : "NOT_READY", text);
}
