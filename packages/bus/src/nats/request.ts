import { readServiceError, ScbeError } from "@scbe/contracts";
import type { BusMessage, RequestOptions } from "../bus.ts";
import type { Asker, Exchanges } from "./exchanges.ts";

/** Sends a question whose answers go to `replyTo`. @throws ScbeError DISCONNECTED, TOO_LARGE */
export type Send = (replyTo: string) => void;

/** One question, one answer, over {@link Exchanges}; see `Bus.request`. */
export function request(
  exchanges: Exchanges,
  subject: string,
  options: RequestOptions,
  send: Send,
): Promise<BusMessage> {
  return new Promise((resolve, reject) =>
    new IncomingRequest(exchanges, subject, options, send, resolve, reject).ask(),
  );
}

class IncomingRequest implements Asker {
  readonly subject: string;
  readonly #exchanges: Exchanges;
  readonly #options: RequestOptions;
  readonly #send: Send;
  readonly #resolve: (message: BusMessage) => void;
  readonly #reject: (error: Error) => void;
  #token = "";
  #deadline: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #asked = 0;

  constructor(
    exchanges: Exchanges,
    subject: string,
    options: RequestOptions,
    send: Send,
    resolve: (message: BusMessage) => void,
    reject: (error: Error) => void,
  ) {
    this.subject = subject;
    this.#exchanges = exchanges;
    this.#options = options;
    this.#send = send;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  ask(): void {
    const { signal, timeoutMs } = this.#options;
    if (signal?.aborted === true) {
      this.#reject(aborted(this.subject));
      return;
    }
    this.#token = this.#exchanges.open(this);
    this.#deadline = setTimeout(this.#onDeadline, timeoutMs);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#sendAndAgain();
  }

  onAnswer(message: BusMessage): void {
    this.#close();
    const error = readServiceError((name) => message.header(name));
    if (error === undefined) this.#resolve(message);
    else this.#reject(error);
  }

  get ignoresNoResponders(): boolean {
    return this.#asked > 1;
  }

  onFailure(error: Error): void {
    this.#close();
    this.#reject(error);
  }

  #sendAndAgain(): void {
    const { againAfterMs } = this.#options;
    this.#asked += 1;
    if (againAfterMs !== undefined) {
      const ms =
        typeof againAfterMs === "number" ? againAfterMs * 2 ** (this.#asked - 1) : againAfterMs(this.#asked);
      this.#again = setTimeout(() => this.#sendAndAgain(), ms);
    }
    try {
      this.#send(this.#exchanges.replyTo(this.#token));
    } catch (error) {
      this.onFailure(error as Error);
    }
  }

  readonly #onDeadline = (): void => {
    this.#close();
    const { timeoutMs } = this.#options;
    this.#reject(new ScbeError("TIMEOUT", `no answer from ${this.subject} within ${timeoutMs} ms`));
  };

  readonly #onAbort = (): void => {
    this.#close();
    this.#reject(aborted(this.subject));
  };

  #close(): void {
    this.#exchanges.close(this.#token);
    clearTimeout(this.#deadline);
    clearTimeout(this.#again);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }
}

function aborted(subject: string): ScbeError {
  return new ScbeError("ABORTED", `the request to ${subject} was given up`);
}
