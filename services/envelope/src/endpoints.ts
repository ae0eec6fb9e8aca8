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
  /** How far the clocks of replicas and gateways may be apart, as of now. */
  readonly skewSeconds: () => number;
  readonly common: Common;
  readonly concurrency: number;
  /** Of each user, on each of the four subjects. */
  readonly userRate: Rate;
  /** Counts the opening token of a response that `provider` is asked about. */
  readonly judged: (provider: string, verdict: TokenVerdict) => void;
  readonly version: string;
}

/** The four subjects of the envelope service; docs/callers.md is their contract. */
export function envelopeEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { sealer, opener, tokens, skewSeconds, common, concurrency, userRate, judged, version } = options;
  const read = (asked: EndpointRequest): Parameters =>
    new Parameters(asked, (name) => asked.header(name), common);

  const sealRequest = (asked: EndpointRequest): EndpointAnswer => {
    const parameters = read(asked);
    const requestId = parameters.optional("requestId") ?? crypto.randomUUID();
    const names = { ...parameters.names(), requestId };
    describe(names);
    const { bytes, hash, header } = sealing("request", () =>
      sealer.sealRequest({ ...names, ...parameters.content(), body: asked.data }),
    );
    const expiresAt = header.ts + (header.ttl + skewSeconds()) * 1000;
    return sealed(bytes, {
      [HEADERS.requestId]: requestId,
      [HEADERS.inReplyTo]: base64Url(hash),
      [HEADERS.openingToken]: tokens.issue({ ...names, user: asked.user, hash }, expiresAt),
    });
  };

  const openedRequest = (opening: RequestOpening): EndpointAnswer =>
    opening.ok ? opened(opening.body, opening.header, base64Url(opening.hash)) : refused(opening.noise);

  // A forgery is answered in the turn in which it has arrived: it has no place when the next message is looked at.
  const openRequest = (asked: EndpointRequest): EndpointAnswer | Promise<EndpointAnswer> => {
    const opening = withSpan("scbe.open", REQUEST, () => opener.openRequest(asked.data, asked));
    return opening instanceof Promise ? opening.then(openedRequest) : openedRequest(opening);
  };

  const sealResponse = (asked: EndpointRequest): EndpointAnswer => {
    const parameters = read(asked);
    const { hash, ...header } = parameters.binding();
    describe({ ...header, requestId: header.request_id });
    const content: Content = parameters.content();
    const { bytes } = sealing("response", () =>
      sealer.sealResponse({ request: { header, hash }, ...content, body: asked.data }),
    );
    return sealed(bytes, { [HEADERS.requestId]: header.request_id });
  };

  const openResponse = (asked: EndpointRequest): EndpointAnswer => {
    const binding = read(asked).binding();
    describe({ ...binding, requestId: binding.request_id });
    const verdict = tokens.judge(asked.header(HEADERS.openingToken) ?? "", { ...binding, user: asked.user });
    judged(binding.provider, verdict);
    const isAwaited = verdict === "taken";
    if (!isAwaited) recordedSpan()?.setAttribute(ATTRIBUTES.openingToken, verdict);
    const opening = withSpan("scbe.open", RESPONSE, () =>
      opener.openResponse(asked.data, { ...binding, isAwaited }),
    );
    if (!opening.ok) return refused(opener.refuse(asked.data, asked.arrivedAt));
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

function refused(noise: HeldNoise): EndpointAnswer {
  const span = recordedSpan();
  if (span !== undefined) setFailure(span, "refused");
  return { ...noise, headers: { [HEADERS.status]: STATUS.refused } };
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
