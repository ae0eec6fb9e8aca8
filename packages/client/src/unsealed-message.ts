import { randomBytes } from "node:crypto";
import type { BusHeaders, BusMessage } from "@scbe/bus";
import { type Common, HEADERS, Parameters } from "@scbe/contracts";
import type { ControlView } from "@scbe/verifier";
import type { RequestMessage, RequestReply } from "./request-message.ts";
import type { RequestOptions } from "./request-options.ts";
import { ANSWERED_BY, mayBeAnswered } from "./resolve-route.ts";

export interface UnsealedMessagePorts {
  readonly control: ControlView;
  /** What the client may ask for. */
  readonly common: Common;
}

const ID_BYTES = 32;
const DEFAULT_CONTENT_TYPE = "application/json";
const NO_SCHEMA = "none";

/** A request as it is, where the control document sends it past the envelope. Nothing vouches for its answer. */
export class UnsealedMessage implements RequestMessage {
  readonly subject = "fallback";
  readonly answeredBy = ANSWERED_BY.fallback;
  readonly provider: string;
  readonly bytes: Uint8Array;
  readonly headers: BusHeaders;
  readonly id = randomBytes(ID_BYTES);
  readonly #requestId: string;
  readonly #ports: UnsealedMessagePorts;

  /** @throws ScbeError BAD_REQUEST for what cannot stand in a header, or is not the client's */
  constructor(options: RequestOptions, requestId: string, ports: UnsealedMessagePorts) {
    this.provider = options.provider;
    this.bytes = options.body;
    this.headers = headersOf(options, requestId, this.id);
    this.#requestId = requestId;
    this.#ports = ports;
    const parameters = new Parameters(
      { provider: options.provider },
      (name) => this.headers[name],
      ports.common,
    );
    parameters.binding();
    parameters.content();
  }

  open(message: BusMessage): RequestReply {
    const contentType = message.header(HEADERS.contentType) ?? DEFAULT_CONTENT_TYPE;
    const schemaHash = message.header(HEADERS.schemaHash) ?? NO_SCHEMA;
    return { body: message.data, contentType, schemaHash };
  }

  isPermitted(): boolean {
    const { provider } = this;
    return mayBeAnswered(this.#ports.control, "fallback", { provider, requestId: this.#requestId });
  }
}

function headersOf(options: RequestOptions, requestId: string, id: Buffer): BusHeaders {
  const { model, intent, contentType, schemaHash } = options;
  return {
    [HEADERS.model]: model,
    [HEADERS.intent]: intent,
    [HEADERS.requestId]: requestId,
    [HEADERS.inReplyTo]: id.toString("base64url"),
    ...(contentType !== undefined && { [HEADERS.contentType]: contentType }),
    ...(schemaHash !== undefined && { [HEADERS.schemaHash]: schemaHash }),
  };
}
