import { randomBytes } from "node:crypto";
import { ScbeError } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { Slots } from "@scbe/runtime";
import { createInbox, type Msg, type NatsConnection } from "nats";
import type { BusMessage } from "../bus.ts";
import { isNoResponders, Received } from "./received.ts";

/** Questions that may be open at once on one connection. */
const OPEN_MAX = 65_536;

/** Who waits for the answers of one question. */
export interface Asker {
  readonly subject: string;
  /** True once `no responders` need not be about the first asking, on which somebody may still work. */
  readonly ignoresNoResponders: boolean;
  onAnswer(message: BusMessage): void;
  onFailure(error: Error): void;
}

interface IncomingRequest {
  readonly token: string;
  readonly asker: Asker;
}

/**
 * All open questions of a connection, on one subscription to its private inbox: every question has a token of its own
 * as the last one of its reply subject: random characters, which cannot be guessed, so that who answers one question cannot
 * answer another, and then its slot.
 */
export class Exchanges {
  readonly #open = new Slots<IncomingRequest>();
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

  /** Opens a question; its answers are to go to {@link replyTo} of the token. @throws ScbeError BUSY */
  open(asker: Asker): string {
    if (this.#open.size >= OPEN_MAX) throw new ScbeError("BUSY", `${OPEN_MAX} questions are open already`);
    const question = { token: this.#tokens.next(), asker };
    const slot = this.#open.add(question);
    question.token += slot.toString(SLOT_RADIX);
    return question.token;
  }

  replyTo(token: string): string {
    return this.#prefix + token;
  }

  /** Answers that come later go nowhere. */
  close(token: string): void {
    if (this.#find(token) !== undefined) this.#open.remove(slotOf(token));
  }

  /** Ends every open question, or those to one subject. */
  failAll(error: Error, subject?: string): void {
    for (const { token, asker } of this.#open) {
      if (subject !== undefined && asker.subject !== subject) continue;
      this.close(token);
      this.#guarded(() => asker.onFailure(error));
    }
  }

  #find(token: string): Asker | undefined {
    const question = this.#open.at(slotOf(token));
    return question?.token === token ? question.asker : undefined;
  }

  #dispatch(message: Msg): void {
    const token = message.subject.slice(this.#prefix.length);
    const asker = this.#find(token);
    if (asker === undefined) return;
    if (!isNoResponders(message)) {
      this.#guarded(() => asker.onAnswer(new Received(message)));
      return;
    }
    if (asker.ignoresNoResponders) return;
    this.close(token);
    const error = new ScbeError("NO_RESPONDERS", `nobody serves ${asker.subject} now`);
    this.#guarded(() => asker.onFailure(error));
  }

  /** A callback that throws must not reach the client library's parser, which would drop the connection. */
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
