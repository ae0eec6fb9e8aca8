import { type SpanFacts, SpanKind, withSpan } from "@scbe/bus";
import type { Handler } from "@scbe/client";
import { ScbeError } from "@scbe/contracts";
import { type Chat, type ChatAnswer, type Reply, readChat } from "../chat.ts";
import type { Target } from "./config.ts";

/** Replaces the key for a server that needs none; the stand-in demands the header, too. */
const NO_KEY = "none";
/** Enough of an error's body to recognize it. */
const ERROR_BYTES_MAX = 65_536;

/** The gateway's handler: reads the body as a chat, calls the provider, and returns its answer. */
export function answerChat(target: Target): Handler {
  return async ({ body, header, signal }) => {
    const { model, content_type: contentType, request_id: requestId } = header;
    const chat = readChat(body, contentType);
    const reply = await callProvider(target, { chat, model, requestId, signal });
    const answer: ChatAnswer = { provider: target.provider, model, ...reply };
    return { body: Buffer.from(JSON.stringify(answer)) };
  };
}

/** One request to a provider. */
export interface ProviderRequest {
  readonly chat: Chat;
  readonly model: string;
  /** The same for every attempt of one request, so that a provider with idempotency keys carries it out once. */
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/**
 * Sends a chat to the provider over HTTP. Redirects are not followed: they would send the key elsewhere.
 * @throws ScbeError BAD_REQUEST, BUSY, TOO_LARGE, TIMEOUT, ABORTED, or HANDLER_FAILED with the cause
 */
export async function callProvider(target: Target, request: ProviderRequest): Promise<Reply> {
  const { signal } = request;
  const late = AbortSignal.timeout(target.timeoutMs);
  const url = new URL(`${target.baseUrl}${target.shape.path(request.model)}`);
  return withSpan("POST", spanFacts(url), async (span) => {
    try {
      const response = await post(target, url, { ...request, signal: AbortSignal.any([signal, late]) });
      span.setAttribute("http.response.status_code", response.status);
      if (response.status === 200) {
        return readReply(target, await readLimited(response, target.answerBytesMax));
      }
      throw providerError(target, response.status, await readError(response));
    } catch (error) {
      throw asPublic(error, target, { signal, late });
    }
  });
}

/** Without query and user info of the address. The request to the provider carries no trace context, because the provider is external. */
function spanFacts({ hostname, port, pathname }: URL): SpanFacts {
  return {
    kind: SpanKind.CLIENT,
    attributes: {
      "http.request.method": "POST",
      "server.address": hostname,
      ...(port !== "" && { "server.port": Number(port) }),
      "url.path": pathname,
    },
  };
}

function post({ shape, key, idempotencyHeader }: Target, url: URL, request: ProviderRequest) {
  const { chat, model, requestId, signal } = request;
  return fetch(url, {
    method: "POST",
    headers: {
      ...shape.headers(key ?? NO_KEY),
      ...(idempotencyHeader !== undefined && { [idempotencyHeader]: requestId }),
      "content-type": "application/json",
      accept: "application/json",
    },
    body: JSON.stringify(shape.request(chat, model)),
    redirect: "manual",
    signal,
  });
}

/** Without the parser's reasons, which would quote the answer. */
function readReply({ provider, shape, answerBytesMax }: Target, body: string | undefined): Reply {
  if (body === undefined) {
    const limit = `${answerBytesMax} bytes (SCBE_PROVIDER_ANSWER_BYTES_MAX)`;
    throw new ScbeError("TOO_LARGE", `the answer of ${provider} exceeds ${limit}`);
  }
  try {
    return shape.answer(JSON.parse(body));
  } catch {
    throw new ScbeError("HANDLER_FAILED", `the answer of ${provider} does not have the form of its API`);
  }
}

/** Empty for an error that is too large or breaks off; its status is enough. */
async function readError(response: Response): Promise<string> {
  return (await readLimited(response, ERROR_BYTES_MAX).catch(() => undefined)) ?? "";
}

interface Limits {
  readonly signal: AbortSignal;
  readonly late: AbortSignal;
}

function asPublic(error: unknown, { provider, timeoutMs }: Target, { signal, late }: Limits): ScbeError {
  if (error instanceof ScbeError) return error;
  if (signal.aborted) return new ScbeError("ABORTED", "the request was cancelled");
  if (late.aborted) return new ScbeError("TIMEOUT", `${provider} took longer than ${timeoutMs} ms`);
  return new ScbeError("HANDLER_FAILED", `${provider} could not be reached`, { cause: error });
}

/** The error for the caller, without the body of the answer, which can quote the request. */
function providerError(target: Target, status: number, body: string): ScbeError {
  const { provider, shape } = target;
  if (status === 401 || status === 403 || shape.meansTheKey?.(status, body) === true) {
    return new ScbeError("HANDLER_FAILED", keyRefused(target, status));
  }
  if (BUSY.has(status)) return new ScbeError("BUSY", `${provider} is at its limit (HTTP ${status})`);
  if (status === 404) {
    return new ScbeError("BAD_REQUEST", `${provider} knows no such model, or no such path (HTTP 404)`);
  }
  if (MALFORMED.has(status)) {
    return new ScbeError("BAD_REQUEST", `${provider} does not take this request (HTTP ${status})`);
  }
  if (status >= 300 && status < 400) {
    return new ScbeError("HANDLER_FAILED", `${provider} redirects (HTTP ${status}), which is not followed`);
  }
  return new ScbeError("HANDLER_FAILED", `${provider} failed (HTTP ${status})`);
}

/** Too many requests, unavailable for now, and Anthropic's "overloaded". */
const BUSY: ReadonlySet<number> = new Set([429, 503, 529]);
const MALFORMED: ReadonlySet<number> = new Set([400, 413, 415, 422]);

function keyRefused({ provider, key, keyVariables }: Target, status: number): string {
  const variables = keyVariables.join(" or ");
  return key === undefined
    ? `${provider} needs a key (HTTP ${status}), and ${variables} is not set at its gateway`
    : `${provider} does not accept the key in ${variables} of its gateway (HTTP ${status})`;
}

/** The text of a response; undefined: it is longer than `bytesMax`, and the rest is not read. */
async function readLimited(response: Response, bytesMax: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // Leaving the loop cancels the body.
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
