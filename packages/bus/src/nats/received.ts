import { firstHeader } from "@scbe/contracts";
import type { Msg } from "nats";
import type { BusMessage } from "../bus.ts";
import { headerBlock } from "./headers.ts";

/** A message of the client library as the rest of SCBE sees it; reads nothing that nobody asks for. */
export class Received implements BusMessage {
  readonly #message: Msg;
  #headers: string | undefined;

  constructor(message: Msg) {
    this.#message = message;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get data(): Uint8Array {
    return this.#message.data;
  }

  get reply(): string | undefined {
    const { reply } = this.#message;
    return reply === "" ? undefined : reply;
  }

  header(name: string): string | undefined {
    this.#headers ??= headerBlock(this.#message);
    return firstHeader(this.#headers, name);
  }
}

/** The server's own answer when nobody subscribes: status 503 on an empty message. */
export function isNoResponders(message: Msg): boolean {
  return message.data.length === 0 && headerBlock(message).startsWith("NATS/1.0 503");
}
