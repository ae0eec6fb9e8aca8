import { ATTRIBUTES, type EndpointAnswer, withSpan } from "@scbe/bus";
import { HEADERS, STATUS } from "@scbe/contracts";
import type { OpenedRequest, RequestHeader, Sealer } from "@scbe/envelope";
import type { HandlerAnswer } from "./gateway-options.ts";
import type { IncomingRequest } from "./incoming-request.ts";

const SEALED = { [HEADERS.status]: STATUS.sealed };
const SEAL = { attributes: { [ATTRIBUTES.phase]: "response" } };

/** A request that came in an envelope: it is answered in one that is bound to it. */
export class SealedIncomingRequest implements IncomingRequest {
  readonly isSealed = true;
  readonly headerBytesMax = 64;
  readonly #opened: OpenedRequest;
  readonly #sealer: Sealer;

  constructor(opened: OpenedRequest, sealer: Sealer) {
    this.#opened = opened;
    this.#sealer = sealer;
  }

  get header(): RequestHeader {
    return this.#opened.header;
  }

  get body(): Uint8Array {
    return this.#opened.body;
  }

  reply({ body, contentType, schemaHash }: HandlerAnswer): NonNullable<EndpointAnswer> {
    const told = {
      ...(contentType !== undefined && { contentType }),
      ...(schemaHash !== undefined && { schemaHash }),
    };
    return withSpan("scbe.seal", SEAL, (span) => {
      const { bytes, header } = this.#sealer.sealResponse({ request: this.#opened, body, ...told });
      span.setAttribute(ATTRIBUTES.kid, header.kid);
      return { data: bytes, headers: SEALED };
    });
  }
}
