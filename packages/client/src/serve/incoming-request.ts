import { ATTRIBUTES, type BusHeaders, type EndpointAnswer, type EndpointRequest, withSpan } from "@scbe/bus";
import { type Common, HEADERS, Parameters, ScbeError, STATUS } from "@scbe/contracts";
import type { OpenedRequest, RequestHeader, Sealer } from "@scbe/envelope";
import type { CallHeader, HandlerAnswer } from "./options.ts";

/** An opened request at a gateway, and the way back for its answer. */
export interface IncomingRequest {
  readonly header: CallHeader;
  readonly body: Uint8Array;
  readonly isSealed: boolean;
  /** Upper bound of the bytes that an answer's NATS headers take. */
  readonly headerBytesMax: number;
  /** @throws ScbeError BAD_REQUEST for a value that a header cannot carry; NO_KEYS or SWITCHED_OFF if it can no longer be sealed */
  reply(answer: HandlerAnswer): NonNullable<EndpointAnswer>;
}

const SEALED = { [HEADERS.status]: STATUS.sealed };
const SEAL = { attributes: { [ATTRIBUTES.phase]: "response" } };

/** A request that came in an envelope. Its answer is sealed, and bound to it. */
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
    const content = {
      ...(contentType !== undefined && { contentType }),
      ...(schemaHash !== undefined && { schemaHash }),
    };
    return withSpan("scbe.seal", SEAL, (span) => {
      const { bytes, header } = this.#sealer.sealResponse({ request: this.#opened, body, ...content });
      span.setAttribute(ATTRIBUTES.kid, header.kid);
      return { data: bytes, headers: SEALED };
    });
  }
}

/** What a gateway accepts without a seal. */
export interface UnsealedServes extends Common {
  readonly provider: string;
  /** Default all. */
  readonly models?: readonly string[];
}

/** A request that came without an envelope. Neither it nor its answer is authenticated. */
export class UnsealedIncomingRequest implements IncomingRequest {
  readonly isSealed = false;
  readonly headerBytesMax = 512;
  readonly header: CallHeader;
  readonly body: Uint8Array;
  /** 32 bytes that name it in a cancellation. */
  readonly id: Uint8Array;
  readonly #serves: UnsealedServes;

  /** @throws ScbeError BAD_REQUEST that names the invalid header, or what is not served here */
  constructor(request: EndpointRequest, serves: UnsealedServes) {
    const parameters = new Parameters(serves, (name) => request.header(name), serves);
    const { hash, ...names } = parameters.binding();
    if (serves.models?.includes(names.model) === false)
      throw new ScbeError("BAD_REQUEST", `the model ${names.model} is not served here`);
    const { contentType = "application/json", schemaHash = "none" } = parameters.content();
    this.header = { ...names, content_type: contentType, schema_hash: schemaHash };
    this.body = request.data;
    this.id = hash;
    this.#serves = serves;
  }

  reply({ body, contentType, schemaHash }: HandlerAnswer): NonNullable<EndpointAnswer> {
    const headers: BusHeaders = {
      [HEADERS.status]: STATUS.unsealed,
      ...(contentType !== undefined && { [HEADERS.contentType]: contentType }),
      ...(schemaHash !== undefined && { [HEADERS.schemaHash]: schemaHash }),
    };
    new Parameters(this.#serves, (name) => headers[name], this.#serves).content();
    return { data: body, headers };
  }
}
