import { randomBytes } from "node:crypto";
import { readServiceError, ScbeError } from "@scbe/contracts";
import { type Logger, Slots } from "@scbe/runtime";
import { createInbox, type Msg, type NatsConnection } from "nats";
import type { BusMessage, RequestOptions } from "../bus.ts";
import { isNoResponders, ReceivedMessage } from "./message.ts";

/** Publishes a request whose answers go to `replyTo`. @throws ScbeError DISCONNECTED, TOO_LARGE */
export type Send = (replyTo: string) => void;

/** One request, one answer, over {@link Exchanges}; see `Bus.request`. */
export function request(
  exchanges: Exchanges,
  subject: string,
  options: RequestOptions,
  send: Send,
): Promise<BusMessage> {
  return new Promise((resolve, reject) =>
    new OpenRequest(exchanges, subject, options, send, resolve, reject).start(),
  );
}

/** Gets the answers of one exchange. */
export interface Requester {
  readonly subject: string;
  /** True after the request was sent again: then `no responders` is about the repetition, while a member may still work on the first one. */
  readonly ignoresNoResponders: boolean;
  onAnswer(message: BusMessage): void;
  onFailure(error: Error): void;
}

class OpenRequest implements Requester {
  readonly subject: string;
  readonly #exchanges: Exchanges;
  readonly #options: RequestOptions;
  readonly #send: Send;
  readonly #resolve: (message: BusMessage) => void;
  readonly #reject: (error: Error) => void;
  #token = "";
  #deadline: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #sent = 0;

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

  start(): void {
    const { signal, timeoutMs } = this.#options;
    if (signal?.aborted === true) {
      this.#reject(aborted(this.subject));
      return;
    }
    this.#token = this.#exchanges.open(this);
    this.#deadline = setTimeout(this.#onDeadline, timeoutMs);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#sendAndRepeat();
  }

  onAnswer(message: BusMessage): void {
    this.#close();
    const error = readServiceError((name) => message.header(name));
    if (error === undefined) this.#resolve(message);
    else this.#reject(error);
  }

  get ignoresNoResponders(): boolean {
    return this.#sent > 1;
  }

  onFailure(error: Error): void {
    this.#close();
    this.#reject(error);
  }

  #sendAndRepeat(): void {
    const { againAfterMs } = this.#options;
    this.#sent += 1;
    if (againAfterMs !== undefined) {
      const ms =
        typeof againAfterMs === "number" ? againAfterMs * 2 ** (this.#sent - 1) : againAfterMs(this.#sent);
      this.#again = setTimeout(() => this.#sendAndRepeat(), ms);
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

/** The most exchanges that may be open at once on one connection. */
const OPEN_MAX = 65_536;

interface OpenExchange {
  readonly token: string;
  readonly requester: Requester;
}

/**
 * All open exchanges of a connection, on one subscription to its private inbox. The last token of each reply subject identifies the exchange: random
 * characters, which cannot be guessed, so that the responder of one exchange cannot answer another, followed by its slot.
 */
export class Exchanges {
  readonly #open = new Slots<OpenExchange>();
  readonly #prefix: string;
  readonly #tokens = new Tokens();
  readonly #log: Logger;

  constructor(connection: NatsConnection, inboxPrefix: string, log: Logger) {
    this.#log = log;
    this.#prefix = `${createInbox(inboxPrefix)}.`;
    connection.subscribe(`${this.#prefix}*`, {
      callback: (error, message) => {
        if (error === null) this.#dispatch(message);
        else this.#log.error({ err: error }, "the private inbox was refused");
      },
    });
  }

  /** Opens an exchange and returns its token; answers go to {@link replyTo} of the token. @throws ScbeError BUSY */
  open(requester: Requester): string {
    if (this.#open.size >= OPEN_MAX) throw new ScbeError("BUSY", `${OPEN_MAX} requests are open already`);
    const exchange = { token: this.#tokens.next(), requester };
    const slot = this.#open.add(exchange);
    exchange.token += slot.toString(SLOT_RADIX);
    return exchange.token;
  }

  replyTo(token: string): string {
    return this.#prefix + token;
  }

  /** Later answers are dropped. */
  close(token: string): void {
    if (this.#find(token) !== undefined) this.#open.remove(slotOf(token));
  }

  /** Ends every open exchange, or those of one subject. */
  failAll(error: Error, subject?: string): void {
    for (const { token, requester } of this.#open) {
      if (subject !== undefined && requester.subject !== subject) continue;
      this.close(token);
      this.#guarded(() => requester.onFailure(error));
    }
  }

  #find(token: string): Requester | undefined {
    const exchange = this.#open.at(slotOf(token));
    return exchange?.token === token ? exchange.requester : undefined;
  }

  #dispatch(message: Msg): void {
    const token = message.subject.slice(this.#prefix.length);
    const requester = this.#find(token);
    if (requester === undefined) return;
    if (!isNoResponders(message)) {
      this.#guarded(() => requester.onAnswer(new ReceivedMessage(message)));
      return;
    }
    if (requester.ignoresNoResponders) return;
    this.close(token);
    const error = new ScbeError("NO_RESPONDERS", `no service answers ${requester.subject} now`);
    this.#guarded(() => requester.onFailure(error));
  }

  /** An error must not reach the client library's parser, which would drop the connection. */
  #guarded(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#log.error({ err: error }, "a callback for an answer failed");
    }
  }
}

const TOKEN_BYTES = 12;
const TOKEN_LENGTH = 16;
const SLOT_RADIX = 36;

function slotOf(token: string): number {
  return Number.parseInt(token.slice(TOKEN_LENGTH), SLOT_RADIX);
}

/** Random tokens, drawn from the system's generator a pool at a time. */
class Tokens {
  #pool = randomBytes(TOKEN_BYTES * 256);
  #at = 0;

  next(): string {
    if (this.#at === this.#pool.length) {
      this.#pool = randomBytes(this.#pool.length);
      this.#at = 0;
    }
    this.#at += TOKEN_BYTES;
    return this.#pool.toString("base64url", this.#at - TOKEN_BYTES, this.#at);
  }
}
