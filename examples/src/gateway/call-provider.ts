import { type SpanFacts, SpanKind, withSpan } from "@scbe/bus";
import { ScbeError } from "@scbe/contracts";
import type { Chat, Reply } from "../chat.ts";
import type { Target } from "./config.ts";

/** What stands in the place of a key for a server that needs none; the stand-in, too, demands the header. */
const NO_KEY = "none";
/** Enough of an error's body to know it by. */
const ERROR_BYTES_MAX = 65_536;

/** One question to a provider. */
export interface IncomingRequest {
  readonly chat: Chat;
  readonly model: string;
  /** The same for every try of one request, so that a provider that knows idempotency keys carries it out once. */
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/**
 * Asks the provider over HTTP. Redirects are not followed: they would take the key elsewhere.
 * @throws ScbeError BAD_REQUEST, BUSY, TOO_LARGE, TIMEOUT, ABORTED, or HANDLER_FAILED with whose fault it is
 */
export async function callProvider(target: Target, question: IncomingRequest): Promise<Reply> {
  const { signal } = question;
  const late = AbortSignal.timeout(target.timeoutMs);
  const url = new URL(`${target.baseUrl}${target.shape.path(question.model)}`);
  return withSpan("POST", spanFacts(url), async (span) => {
    try {
      const response = await post(target, url, { ...question, signal: AbortSignal.any([signal, late]) });
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

/** Neither query nor user info of the address. What the provider gets holds no trace: it is not one of ours. */
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

function post({ shape, key, idempotencyHeader }: Target, url: URL, question: IncomingRequest) {
  const { chat, model, requestId, signal } = question;
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

/** The reasons are left out, since they would quote the answer. */
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

/** An error that is too large, or breaks off, is known by its status alone. */
async function readError(response: Response): Promise<string> {
  return (await readLimited(response, ERROR_BYTES_MAX).catch(() => undefined)) ?? "";
}

interface Limits {
  readonly signal: AbortSignal;
  readonly late: AbortSignal;
}

function asPublic(error: unknown, { provider, timeoutMs }: Target, { signal, late }: Limits): ScbeError {
  if (error instanceof ScbeError) return error;
  if (signal.aborted) return new ScbeError("ABORTED", "the request is not wanted any more");
  if (late.aborted) return new ScbeError("TIMEOUT", `${provider} took longer than ${timeoutMs} ms`);
  return new ScbeError("HANDLER_FAILED", `${provider} could not be reached`, { cause: error });
}

/**
 * What a caller is told of an HTTP answer that is no 200. Of its body only whether it means the key is looked at: it may
 * quote what was asked.
 */
export function providerError(target: Target, status: number, body: string): ScbeError {
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
    ? `${provider} wants a key (HTTP ${status}), and ${variables} is not set at its gateway`
    : `${provider} does not accept the key in ${variables} of its gateway (HTTP ${status})`;
}

/** The text of a response, or undefined when it is longer than `bytesMax`; then the rest of it is not read. */
export async function readLimited(response: Response, bytesMax: number): Promise<string | undefined> {
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
