import { setTimeout as delay } from "node:timers/promises";
import type { Msg } from "nats";
import { asHeaders, ask, header, ServiceError, throwServiceError } from "./ask.ts";
import type { PlainConnection } from "./connect-user.ts";

/** A request to a provider. */
export interface PlainRequest {
  readonly provider: string;
  readonly model: string;
  readonly intent: string;
  readonly body: Uint8Array;
  readonly contentType?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface PlainAnswer {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** The number of envelopes that were sealed for it. */
  readonly envelopes: number;
}

const ENVELOPES_MAX = 32;
const ACCEPT_TIMEOUT_MS = 1000;
const NEW_EPOCH_PAUSE_MS = 1000;
const PROBLEM = "application/vnd.scbe.problem+json";

/**
 * Sends one request in plain NATS: the envelope service seals it, a gateway answers it, and the envelope service opens the
 * answer. No envelope is sent twice. See docs/callers.md, "Sending a request".
 * @throws ServiceError with the code of what went wrong
 */
export async function sendRequest(connection: PlainConnection, request: PlainRequest): Promise<PlainAnswer> {
  const deadline = performance.now() + request.timeoutMs;
  let requestId: string | undefined;
  let refusals = 0;
  for (let envelopes = 1; envelopes <= ENVELOPES_MAX; envelopes += 1) {
    const sealed = await seal(connection, request, requestId);
    requestId = sealed.requestId;
    const outcome = await exchange(connection, request, sealed, deadline);
    if (typeof outcome !== "string") return read(outcome, envelopes);
    if (outcome === "busy") await delay(Math.min(500, 10 * 2 ** envelopes) * Math.random());
    if (outcome === "refused") {
      refusals += 1;
      if (refusals > 1) throw new ServiceError("REFUSED", "refused twice");
      await delay(NEW_EPOCH_PAUSE_MS);
    }
  }
  throw new ServiceError("BUSY", "no gateway took the request");
}

interface Sealed {
  readonly envelope: Uint8Array;
  readonly requestId: string;
  /** SHA-256 of the envelope, base64url. */
  readonly hash: string;
  /** The opening token, which proves that this user had it sealed. */
  readonly token: string;
}

async function seal(
  connection: PlainConnection,
  { provider, model, intent, body, contentType }: PlainRequest,
  requestId: string | undefined,
): Promise<Sealed> {
  const subject = `scbe.v1.envelope.seal.request.${connection.user}.${provider}.${intent}`;
  const answer = await ask(connection, subject, body, {
    "scbe-model": model,
    ...(contentType !== undefined && { "scbe-content-type": contentType }),
    ...(requestId !== undefined && { "scbe-request-id": requestId }),
  });
  return {
    envelope: answer.data,
    requestId: header(answer, "scbe-request-id"),
    hash: header(answer, "scbe-in-reply-to"),
    token: header(answer, "scbe-opening-token"),
  };
}

/** A request can get several replies: an optional `accepted`, and then the result. */
async function exchange(
  connection: PlainConnection,
  request: PlainRequest,
  sealed: Sealed,
  deadline: number,
): Promise<Msg | "busy" | "refused" | "silent"> {
  const { provider, signal } = request;
  const { nats, user } = connection;
  const inbox = connection.newInbox();
  const answers = nats.subscribe(inbox);
  const stop = (): void => answers.unsubscribe();
  const leftMs = deadline - performance.now();
  let timer = setTimeout(stop, Math.min(leftMs, ACCEPT_TIMEOUT_MS));
  signal?.addEventListener("abort", stop, { once: true });
  nats.publish(`scbe.v1.request.${user}.${provider}`, sealed.envelope, {
    reply: inbox,
    headers: asHeaders({ "scbe-timeout-ms": String(Math.max(1, Math.ceil(leftMs))) }),
  });
  let accepted = false;
  try {
    for await (const answer of answers) {
      if (answer.headers?.code === 503)
        throw new ServiceError("NO_RESPONDERS", `${provider} has no gateway now`);
      throwServiceError(answer);
      const status = header(answer, "scbe-status");
      if (status === "busy" || status === "refused") return status;
      if (status === "accepted" && !accepted) {
        accepted = true;
        clearTimeout(timer);
        timer = setTimeout(stop, deadline - performance.now());
      }
      if (status === "sealed") {
        const opened = await openResponse(connection, request, sealed, answer.data);
        if (opened !== undefined) return opened;
      }
    }
  } finally {
    clearTimeout(timer);
    stop();
    signal?.removeEventListener("abort", stop);
  }
  nats.publish(`scbe.v1.cancel.${provider}`, Buffer.from(sealed.hash, "base64url"));
  if (signal?.aborted === true) throw new ServiceError("ABORTED", "given up");
  if (performance.now() >= deadline - 1) throw new ServiceError("TIMEOUT", "no answer in time");
  return "silent";
}

/** The opened answer; undefined if it does not answer this request, whose answer can still come. */
async function openResponse(
  connection: PlainConnection,
  { provider, model, intent }: PlainRequest,
  { requestId, hash, token }: Sealed,
  envelope: Uint8Array,
): Promise<Msg | undefined> {
  const subject = `scbe.v1.envelope.open.response.${connection.user}.${provider}.${intent}`;
  const answer = await ask(connection, subject, envelope, {
    "scbe-model": model,
    "scbe-request-id": requestId,
    "scbe-in-reply-to": hash,
    "scbe-opening-token": token,
  });
  return header(answer, "scbe-status") === "opened" ? answer : undefined;
}

function read(answer: Msg, envelopes: number): PlainAnswer {
  const contentType = header(answer, "scbe-content-type");
  if (contentType !== PROBLEM) return { body: answer.data, contentType, envelopes };
  const { code, title } = answer.json<{ code: string; title: string }>();
  throw new ServiceError(code, title);
}
