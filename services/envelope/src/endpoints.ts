import {
  type Common,
  type Content,
  ENVELOPE_MEDIA_TYPE,
  HEADERS,
  Parameters,
  QUEUES,
  STATUS,
  SUBJECTS,
} from "@scbe/contracts";
import type { Opener, RequestHeader, ResponseHeader, Sealer } from "@scbe/envelope";
import {
  ATTRIBUTES,
  type BusHeaders,
  describeRequest,
  type EndpointAnswer,
  type EndpointDefinition,
  type EndpointRequest,
  injectTrace,
  type RequestFacts,
  recordedSpan,
  type ServiceDefinition,
  setFailure,
  withSpan,
} from "@scbe/service-kit";

export interface EndpointsOptions {
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly common: Common;
  readonly concurrency: number;
  readonly version: string;
}

/** The four subjects of the envelope service; docs/callers.md is their contract. */
export function envelopeEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { sealer, opener, common, concurrency, version } = options;
  const read = ({ provider, header }: Asked): Parameters => new Parameters(provider, header, common);

  const sealRequest = (asked: Asked): EndpointAnswer => {
    const parameters = read(asked);
    const requestId = parameters.optional("requestId") ?? crypto.randomUUID();
    const names = { ...parameters.names(), requestId };
    describe(names);
    const { bytes, hash } = sealing("request", () =>
      sealer.sealRequest({ ...names, ...parameters.content(), body: asked.data }),
    );
    return sealed(bytes, { [HEADERS.requestId]: requestId, [HEADERS.inReplyTo]: base64Url(hash) });
  };

  const openRequest = async ({ data, provider, arrivedAt }: Asked): Promise<EndpointAnswer> => {
    const opening = await withSpan("scbe.open", REQUEST, () =>
      opener.openRequest(data, { provider, arrivedAt }),
    );
    if (!opening.ok) return refused(opening.noise);
    return opened(opening.body, opening.header, base64Url(opening.hash));
  };

  const sealResponse = (asked: Asked): EndpointAnswer => {
    const parameters = read(asked);
    const { hash, ...header } = parameters.binding();
    describe({ ...header, requestId: header.request_id });
    const content: Content = parameters.content();
    const { bytes } = sealing("response", () =>
      sealer.sealResponse({ request: { header, hash }, ...content, body: asked.data }),
    );
    return sealed(bytes, { [HEADERS.requestId]: header.request_id });
  };

  const openResponse = async (asked: Asked): Promise<EndpointAnswer> => {
    const binding = read(asked).binding();
    describe({ ...binding, requestId: binding.request_id });
    const opening = withSpan("scbe.open", RESPONSE, () => opener.openResponse(asked.data, binding));
    if (!opening.ok) return refused(await opener.refuse(asked.data, asked.arrivedAt));
    return opened(opening.body, opening.header, opening.header.in_reply_to);
  };

  const endpoint = (
    name: string,
    kind: "sealRequest" | "openRequest" | "sealResponse" | "openResponse",
    handler: (asked: Asked) => EndpointAnswer | Promise<EndpointAnswer>,
  ): EndpointDefinition => ({
    name,
    subject: `${SUBJECTS[kind]}.*`,
    concurrency,
    trace: "begin",
    handler: (request) => handler(asAsked(request)),
  });
  return {
    name: "envelope",
    version,
    description: "Seals and opens envelopes for callers in any language",
    queue: QUEUES.envelope,
    endpoints: [
      endpoint("seal-request", "sealRequest", sealRequest),
      endpoint("open-request", "openRequest", openRequest),
      endpoint("seal-response", "sealResponse", sealResponse),
      endpoint("open-response", "openResponse", openResponse),
    ],
  };
}

interface Asked {
  readonly data: Uint8Array;
  readonly provider: string;
  readonly arrivedAt: number;
  readonly header: (name: string) => string | undefined;
}

function asAsked(request: EndpointRequest): Asked {
  const { data, provider, arrivedAt } = request;
  return { data, provider, arrivedAt, header: (name) => request.header(name) };
}

/** What the caller's trace is told of its request. */
function describe(facts: RequestFacts): void {
  const span = recordedSpan();
  if (span !== undefined) describeRequest(span, facts);
}

/** For a caller that has no trace of its own. A `tracestate` would be the asker's own words, as long as it likes. */
function traceToGoOn(): BusHeaders {
  const traceparent = injectTrace()[HEADERS.traceparent];
  return traceparent === undefined ? {} : { [HEADERS.traceparent]: traceparent };
}

const REQUEST = { attributes: { [ATTRIBUTES.phase]: "request" } };
const RESPONSE = { attributes: { [ATTRIBUTES.phase]: "response" } };

function sealing<T extends { readonly header: { readonly kid: string } }>(
  phase: "request" | "response",
  seal: () => T,
): T {
  return withSpan("scbe.seal", phase === "request" ? REQUEST : RESPONSE, (span) => {
    const result = seal();
    span.setAttribute(ATTRIBUTES.kid, result.header.kid);
    return result;
  });
}

function sealed(data: Uint8Array, headers: BusHeaders): EndpointAnswer {
  const status = { [HEADERS.status]: STATUS.sealed, [HEADERS.contentTypeOfMessage]: ENVELOPE_MEDIA_TYPE };
  return { data, headers: { ...status, ...headers, ...traceToGoOn() } };
}

/** Everything that the header says of the body has been authenticated. */
function opened(body: Uint8Array, header: RequestHeader | ResponseHeader, inReplyTo: string): EndpointAnswer {
  describe({ ...header, requestId: header.request_id });
  return {
    data: body,
    headers: {
      [HEADERS.status]: STATUS.opened,
      [HEADERS.model]: header.model,
      [HEADERS.intent]: header.intent,
      [HEADERS.requestId]: header.request_id,
      [HEADERS.contentType]: header.content_type,
      [HEADERS.schemaHash]: header.schema_hash,
      [HEADERS.inReplyTo]: inReplyTo,
      ...traceToGoOn(),
    },
  };
}

function refused(noise: Uint8Array): EndpointAnswer {
  const span = recordedSpan();
  if (span !== undefined) setFailure(span, "refused");
  return { data: noise, headers: { [HEADERS.status]: STATUS.refused } };
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
