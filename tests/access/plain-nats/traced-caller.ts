import type { Msg } from "nats";
import { asHeaders, ask, header } from "./ask.ts";
import type { PlainConnection } from "./connect-user.ts";

/** Headers by their names on the wire. */
type Headers = Readonly<Record<string, string>>;

const PARAMETERS = { "scbe-model": "gpt-5" };
const INTENT = "chat";
const TIMEOUT_MS = 10_000;

/** A request that the envelope service has sealed. */
export interface TracedRequest {
  readonly requestId: string;
  readonly envelope: Uint8Array;
  /** The trace headers of the reply. */
  readonly trace: Headers;
  readonly binding: Headers;
}

/** Has the envelope service seal a body, within `trace` if given. */
export async function sealTraced(
  connection: PlainConnection,
  provider: string,
  body: Uint8Array,
  trace: Headers = {},
): Promise<TracedRequest> {
  const subject = `scbe.v1.envelope.seal.request.${connection.user}.${provider}.${INTENT}`;
  const sealed = await ask(connection, subject, body, { ...PARAMETERS, ...trace });
  const requestId = header(sealed, "scbe-request-id");
  const binding = {
    ...PARAMETERS,
    "scbe-request-id": requestId,
    "scbe-in-reply-to": header(sealed, "scbe-in-reply-to"),
    "scbe-opening-token": header(sealed, "scbe-opening-token"),
  };
  return { requestId, envelope: sealed.data, trace: traceOf(sealed), binding };
}

/** Sends it to a gateway and has the answer opened, both within `trace`. @returns the answer's body */
export async function sendTraced(
  connection: PlainConnection,
  provider: string,
  { envelope, binding }: TracedRequest,
  trace: Headers,
): Promise<Uint8Array> {
  const answer = await answerTo(
    connection,
    `scbe.v1.request.${connection.user}.${provider}`,
    envelope,
    trace,
  );
  const subject = `scbe.v1.envelope.open.response.${connection.user}.${provider}.${INTENT}`;
  const opened = await ask(connection, subject, answer.data, { ...binding, ...trace });
  if (header(opened, "scbe-status") !== "opened")
    throw new Error(`the answer is ${header(opened, "scbe-status")}`);
  return opened.data;
}

/** The trace headers of a message. */
export function traceOf(message: Msg): Headers {
  const names = ["traceparent", "tracestate"].filter((name) => header(message, name) !== "");
  return Object.fromEntries(names.map((name) => [name, header(message, name)]));
}

/** The first reply that is not `accepted`. */
async function answerTo(
  { nats, newInbox }: PlainConnection,
  subject: string,
  data: Uint8Array,
  headers: Headers,
): Promise<Msg> {
  const inbox = newInbox();
  const answers = nats.subscribe(inbox, { timeout: TIMEOUT_MS });
  nats.publish(subject, data, { reply: inbox, headers: asHeaders(headers) });
  for await (const answer of answers) {
    const status = header(answer, "scbe-status");
    if (status === "accepted") continue;
    if (status === "sealed") return answer;
    throw new Error(`the gateway answers: ${status}`);
  }
  throw new Error(`no reply on ${subject}`);
}
