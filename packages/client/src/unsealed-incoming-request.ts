import type { BusHeaders, EndpointAnswer, EndpointRequest } from "@scbe/bus";
import { type Common, HEADERS, Parameters, ScbeError, STATUS } from "@scbe/contracts";
import type { CallHeader, HandlerAnswer } from "./gateway-options.ts";
import type { IncomingRequest } from "./incoming-request.ts";

/** What a gateway takes without a seal. */
export interface UnsealedServes extends Common {
  readonly provider: string;
  /** Every model unless told. */
  readonly models?: readonly string[];
}

/** A request that came as it is: so does its answer. */
export class UnsealedIncomingRequest implements IncomingRequest {
  readonly isSealed = false;
  readonly headerBytesMax = 512;
  readonly header: CallHeader;
  readonly body: Uint8Array;
  /** 32 bytes, by which it is cancelled. */
  readonly id: Uint8Array;
  readonly #serves: UnsealedServes;

  /** @throws ScbeError BAD_REQUEST naming the header at fault, or what is not served here */
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
