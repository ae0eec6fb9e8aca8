import { type Msg, type MsgHdrs, headers as noHeaders } from "nats";
import type { PlainConnection } from "./connect-user.ts";

/** A service error in the headers of a reply. */
export class ServiceError extends Error {
  readonly code: string;

  constructor(code: string, text: string) {
    super(text);
    this.code = code;
  }
}

/** Longer than the noise floor, before which the envelope service never answers a refusal. */
const TIMEOUT_MS = 5000;

/** Sends one request to the envelope service. @throws ServiceError of the reply; the NATS client's error if no reply comes */
export async function ask(
  { nats }: PlainConnection,
  subject: string,
  data: Uint8Array,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Msg> {
  const answer = await nats.request(subject, data, { timeout: TIMEOUT_MS, headers: asHeaders(parameters) });
  throwServiceError(answer);
  return answer;
}

/** @throws ServiceError if the message is one */
export function throwServiceError(message: Msg): void {
  const code = header(message, "scbe-error");
  if (code !== "") throw new ServiceError(code, header(message, "Nats-Service-Error"));
}

/** Keeps the names' letter case: NATS headers are case-sensitive. */
export function asHeaders(values: Readonly<Record<string, string>>): MsgHdrs {
  const encoded = noHeaders();
  for (const [name, value] of Object.entries(values)) encoded.set(name, value);
  return encoded;
}

/** The value of a header, or "". */
export function header(message: Msg, name: string): string {
  return message.headers?.get(name) ?? "";
}
