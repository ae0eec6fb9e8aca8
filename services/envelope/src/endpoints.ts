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
} from "@scbe/bus";
import {
  type Common,
  type Content,
  ENVELOPE_MEDIA_TYPE,
  HEADERS,
  Parameters,
  QUEUES,
  STATUS,
  servedAs,
} from "@scbe/contracts";
import type {
  HeldNoise,
  Opener,
  OpeningTokens,
  RequestHeader,
  RequestOpening,
  ResponseHeader,
  Sealer,
  TokenVerdict,
} from "@scbe/envelope";
import type { Rate } from "@scbe/runtime";

export interface EndpointsOptions {
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly tokens: OpeningTokens;
  /** The present limit of the clock skew between replicas and gateways. */
  readonly skewSeconds: () => number;
  readonly common: Common;
  readonly concurrency: number;
  /** Of each user, on each of the four subjects. */
  readonly userRate: Rate;
  /** Runs with the verdict on the opening token of each response. */
  readonly judged: (provider: string, verdict: TokenVerdict) => void;
  readonly version: string;
}

/** The four subjects of the envelope service; docs/callers.md is their contract. */
export function envelopeEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { sealer, opener, tokens, skewSeconds, common, concurrency, userRate, judged, version } = options;
  const read = (request: EndpointRequest): Parameters =>
    new Parameters(request, (name) => request.header(name), common);

  const sealRequest = (request: EndpointRequest): EndpointAnswer => {
    const parameters = read(request);
    const requestId = parameters.optional("requestId") ?? crypto.randomUUID();
    const names = { ...parameters.names(), requestId };
    describe(names);
    const { bytes, hash, header } = sealing("request", () =>
      sealer.sealRequest({ ...names, ...parameters.content(), body: request.data }),
    );
    const expiresAt = header.ts + (header.ttl + skewSeconds()) * 1000;
    return sealed(bytes, {
      [HEADERS.requestId]: requestId,
      [HEADERS.inReplyTo]: base64Url(hash),
      [HEADERS.openingToken]: tokens.issue({ ...names, user: request.user, hash }, expiresAt),
    });
  };

  const openedRequest = (opening: RequestOpening): EndpointAnswer =>
    opening.ok ? opened(opening.body, opening.header, base64Url(opening.hash)) : refused(opening.noise);

  // A forgery is answered synchronously: it frees its place before the next message is read.
  const openRequest = (request: EndpointRequest): EndpointAnswer | Promise<EndpointAnswer> => {
    const opening = withSpan("scbe.open", REQUEST, () => opener.openRequest(request.data, request));
    return opening instanceof Promise ? opening.then(openedRequest) : openedRequest(opening);
  };

  const sealResponse = (request: EndpointRequest): EndpointAnswer => {
    const parameters = read(request);
    const { hash, ...header } = parameters.binding();
    describe({ ...header, requestId: header.request_id });
    const content: Content = parameters.content();
    const { bytes } = sealing("response", () =>
      sealer.sealResponse({ request: { header, hash }, ...content, body: request.data }),
    );
    return sealed(bytes, { [HEADERS.requestId]: header.request_id });
  };

  const openResponse = (request: EndpointRequest): EndpointAnswer => {
    const binding = read(request).binding();
    describe({ ...binding, requestId: binding.request_id });
    const verdict = tokens.judge(request.header(HEADERS.openingToken) ?? "", {
      ...binding,
      user: request.user,
    });
    judged(binding.provider, verdict);
    const isAwaited = verdict === "taken";
    if (!isAwaited) recordedSpan()?.setAttribute(ATTRIBUTES.openingToken, verdict);
    const opening = withSpan("scbe.open", RESPONSE, () =>
      opener.openResponse(request.data, { ...binding, isAwaited }),
    );
    if (!opening.ok) return refused(opener.refuse(request.data, request.arrivedAt));
    return opened(opening.body, opening.header, opening.header.in_reply_to);
  };

  const endpoint = (
    name: string,
    kind: "sealRequest" | "openRequest" | "sealResponse" | "openResponse",
    handler: EndpointDefinition["handler"],
  ): EndpointDefinition => ({
    name,
    ...servedAs(kind),
    placesOf: "user",
    concurrency,
    userRate,
    trace: "begin",
    handler,
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

/** Adds the request's facts to the caller's span. */
function describe(facts: RequestFacts): void {
  const span = recordedSpan();
  if (span !== undefined) describeRequest(span, facts);
}

/** The trace for a caller without its own. Without `tracestate`, which is the requester's text of any length. */
function traceHeaders(): BusHeaders {
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
  return { data, headers: { ...status, ...headers, ...traceHeaders() } };
}

/** All members of the header are authenticated. */
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
      ...traceHeaders(),
    },
  };
}

function refused(noise: HeldNoise): EndpointAnswer {
  const span = recordedSpan();
  if (span !== undefined) setFailure(span, "refused");
  return { ...noise, headers: { [HEADERS.status]: STATUS.refused } };
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
