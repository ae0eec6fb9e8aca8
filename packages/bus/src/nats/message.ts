import { firstHeader } from "@scbe/contracts";
import { headers as emptyHeaders, type Msg, type MsgHdrs } from "nats";
import type { BusHeaders, BusMessage } from "../bus.ts";

/** A received message of the client library. It decodes headers on first use. */
export class ReceivedMessage implements BusMessage {
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

/** True for the server's answer to a request without subscribers: status 503 on an empty message. */
export function isNoResponders(message: Msg): boolean {
  return message.data.length === 0 && headerBlock(message).startsWith("NATS/1.0 503");
}

/**
 * The headers of a message as they were received, status line first; "" without headers. The sender chooses them, so they are hostile: the client
 * library's `message.headers` takes time quadratic in their number, and throws at a malformed name. It has no public access to the raw bytes, so
 * this reads the private fields of nats 2.29's `MsgImpl`; `message.test.ts` fails if another version moves them.
 */
export function headerBlock(message: Msg): string {
  const { _msg: lengths, _rdata: bytes } = message as unknown as PrivateMessage;
  return lengths.hdr > 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, lengths.hdr).toString("utf8") : "";
}

interface PrivateMessage {
  /** `hdr`: how many of the bytes are headers. */
  readonly _msg: { readonly hdr: number };
  /** Headers and data together. */
  readonly _rdata: Uint8Array;
}

/** Headers in the client's form. @throws NatsError for an invalid name or value */
export function encodeHeaders(headers: BusHeaders): MsgHdrs {
  const encoded = emptyHeaders();
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) encoded.append(name, value);
  }
  return encoded;
}
