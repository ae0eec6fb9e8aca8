import { ATTRIBUTES, type BusMessage, withSpan } from "@scbe/bus";
import type { OpenedResponse, Opener, ResponseOpening, SealedRequest, Sealer } from "@scbe/envelope";
import type { ControlView } from "@scbe/verifier";
import type { Outcomes } from "./outcomes/outcomes.ts";
import type { RequestMessage, RequestReply } from "./request-message.ts";
import type { RequestOptions } from "./request-options.ts";
import { ANSWERED_BY, mayBeAnswered } from "./resolve-route.ts";

export interface SealedMessagePorts {
  /** Told of an answer to a request that is its gateway's fault. */
  readonly outcomes: Pick<Outcomes, "blame">;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly control: ControlView;
}

const SEAL = { attributes: { [ATTRIBUTES.phase]: "request" } };
const OPEN = { attributes: { [ATTRIBUTES.phase]: "response" } };

const NO_HEADERS = {};

/** A request in an envelope. Its answer is a response that opens and is bound to it; nothing else is. */
export class SealedMessage implements RequestMessage {
  readonly subject = "request";
  readonly answeredBy = ANSWERED_BY.sealed;
  readonly headers = NO_HEADERS;
  readonly sealed: SealedRequest;
  readonly #ports: SealedMessagePorts;
  #hasBlamed = false;
  #hasUnopened = false;

  /** @throws ScbeError what sealing throws */
  constructor(options: RequestOptions, requestId: string, ports: SealedMessagePorts) {
    this.#ports = ports;
    this.sealed = withSpan("scbe.seal", SEAL, (span) => {
      const sealed = seal(options, requestId, ports.sealer);
      span.setAttribute(ATTRIBUTES.kid, sealed.header.kid);
      return sealed;
    });
  }

  /** True when something came that was not opened, for a reason that may lie with this process. */
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
    return opening.ok ? asAnswer(opening) : undefined;
  }

  isPermitted(): boolean {
    const { provider, request_id: requestId } = this.sealed.header;
    return mayBeAnswered(this.#ports.control, "sealed", { provider, requestId });
  }

  #open(data: Uint8Array): ResponseOpening {
    const { opener, outcomes } = this.#ports;
    const { hash, header } = this.sealed;
    const opening = opener.openResponse(data, { hash, ...header });
    if (opening.ok) return opening;
    this.#hasUnopened ||= opening.mayBeOurs;
    if (opening.isBlamed && !this.#hasBlamed) {
      this.#hasBlamed = true;
      outcomes.blame(header.provider, header.request_id);
    }
    return opening;
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

function asAnswer({ header, body }: OpenedResponse): RequestReply {
  return { body, contentType: header.content_type, schemaHash: header.schema_hash, header };
}
