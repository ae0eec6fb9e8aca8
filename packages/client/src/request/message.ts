import { randomBytes } from "node:crypto";
import { ATTRIBUTES, type BusHeaders, type BusMessage, withSpan } from "@scbe/bus";
import { type Common, HEADERS, Parameters } from "@scbe/contracts";
import type {
  OpenedResponse,
  Opener,
  ResponseHeader,
  ResponseOpening,
  SealedRequest,
  Sealer,
} from "@scbe/envelope";
import type { ControlView } from "@scbe/verifier";
import type { OutcomeReporter } from "../outcomes/reporter.ts";
import { ANSWERED_BY, isAnswerPermitted } from "../route.ts";
import type { RequestOptions } from "./options.ts";

/** One message to a gateway. A request that is tried again needs a new one. */
export interface RequestMessage {
  readonly subject: "request" | "fallback";
  readonly provider: string;
  readonly bytes: Uint8Array;
  readonly headers: BusHeaders;
  /** 32 unique bytes; a cancellation names the message by them. */
  readonly id: Uint8Array;
  /** The `scbe-status` that an answer to this message must have. */
  readonly answeredBy: "sealed" | "unsealed";
  /** Opens a reply; `undefined` if it does not belong to this message. */
  open(reply: BusMessage): RequestReply | undefined;
  /** False once the control document or trust blocks the answer. */
  isPermitted(): boolean;
}

/** The opened answer to a message. */
export interface RequestReply {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** `none` if the reply names no schema. */
  readonly schemaHash: string;
  /** Authenticated; absent where nothing was sealed. */
  readonly header?: ResponseHeader;
}

export interface MessagePorts {
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly control: ControlView;
  /** The client's providers and intents. */
  readonly common: Common;
  readonly reporter: Pick<OutcomeReporter, "blame">;
}

const ID_BYTES = 32;
const DEFAULT_CONTENT_TYPE = "application/json";
const NO_SCHEMA = "none";
const NO_HEADERS = {};
const SEAL = { attributes: { [ATTRIBUTES.phase]: "request" } };
const OPEN = { attributes: { [ATTRIBUTES.phase]: "response" } };

/** A request in an envelope. Only a response that opens and is bound to this envelope answers it. */
export class SealedMessage implements RequestMessage {
  readonly subject = "request";
  readonly answeredBy = ANSWERED_BY.sealed;
  readonly headers = NO_HEADERS;
  readonly sealed: SealedRequest;
  readonly #ports: MessagePorts;
  #hasBlamed = false;
  #hasUnopened = false;

  /** @throws ScbeError what sealing throws */
  constructor(options: RequestOptions, requestId: string, ports: MessagePorts) {
    this.#ports = ports;
    this.sealed = withSpan("scbe.seal", SEAL, (span) => {
      const sealed = seal(options, requestId, ports.sealer);
      span.setAttribute(ATTRIBUTES.kid, sealed.header.kid);
      return sealed;
    });
  }

  /** True if a reply did not open for a reason that can lie with this process. */
  get hasUnopened(): boolean {
    return this.#hasUnopened;
  }

  get provider(): string {
    return this.sealed.header.provider;
  }

  get bytes(): Uint8Array {
    return this.sealed.bytes;
  }

  get id(): Uint8Array {
    return this.sealed.hash;
  }

  open({ data }: BusMessage): RequestReply | undefined {
    const opening = withSpan("scbe.open", OPEN, () => this.#open(data));
    return opening.ok ? asReply(opening) : undefined;
  }

  isPermitted(): boolean {
    const { provider, request_id: requestId } = this.sealed.header;
    return isAnswerPermitted(this.#ports.control, "sealed", { provider, requestId });
  }

  #open(data: Uint8Array): ResponseOpening {
    const { opener, reporter } = this.#ports;
    const { hash, header } = this.sealed;
    const opening = opener.openResponse(data, { hash, ...header });
    if (opening.ok) return opening;
    this.#hasUnopened ||= opening.mayBeOurs;
    if (opening.isBlamed && !this.#hasBlamed) {
      this.#hasBlamed = true;
      reporter.blame(header.provider, header.request_id);
    }
    return opening;
  }
}

/** A request without an envelope, for fallback. Its answer is not authenticated. */
export class UnsealedMessage implements RequestMessage {
  readonly subject = "fallback";
  readonly answeredBy = ANSWERED_BY.fallback;
  readonly provider: string;
  readonly bytes: Uint8Array;
  readonly headers: BusHeaders;
  readonly id = randomBytes(ID_BYTES);
  readonly #requestId: string;
  readonly #ports: MessagePorts;

  /** @throws ScbeError BAD_REQUEST for a value that a header cannot carry, or a provider or intent that is not the client's */
  constructor(options: RequestOptions, requestId: string, ports: MessagePorts) {
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

  open(reply: BusMessage): RequestReply {
    const contentType = reply.header(HEADERS.contentType) ?? DEFAULT_CONTENT_TYPE;
    const schemaHash = reply.header(HEADERS.schemaHash) ?? NO_SCHEMA;
    return { body: reply.data, contentType, schemaHash };
  }

  isPermitted(): boolean {
    const { provider } = this;
    return isAnswerPermitted(this.#ports.control, "fallback", { provider, requestId: this.#requestId });
  }
}

function seal(options: RequestOptions, requestId: string, sealer: Sealer): SealedRequest {
  const { provider, model, intent, body, contentType, schemaHash } = options;
  return sealer.sealRequest({
    provider,
    model,
    intent,
    requestId,
    body,
    ...(contentType !== undefined && { contentType }),
    ...(schemaHash !== undefined && { schemaHash }),
  });
}

function asReply({ header, body }: OpenedResponse): RequestReply {
  return { body, contentType: header.content_type, schemaHash: header.schema_hash, header };
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
