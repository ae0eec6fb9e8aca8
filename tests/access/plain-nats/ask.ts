import { type Msg, type MsgHdrs, headers as noHeaders } from "nats";
import type { PlainConnection } from "./connect-user.ts";

/** An answer that says in its headers why it is none. */
export class ServiceError extends Error {
  readonly code: string;

  constructor(code: string, text: string) {
    super(text);
    this.code = code;
  }
}

/** Longer than the envelope service needs for a refusal, which is never answered at once. */
const TIMEOUT_MS = 5000;

/** One question to the envelope service. @throws ServiceError when the answer says so; the client's error when none comes */
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

/** @throws ServiceError when the message is one */
export function throwServiceError(message: Msg): void {
  const code = header(message, "scbe-error");
  if (code !== "") throw new ServiceError(code, header(message, "Nats-Service-Error"));
}

/** Names go out as they stand: NATS headers are case-sensitive. */
export function asHeaders(values: Readonly<Record<string, string>>): MsgHdrs {
  const encoded = noHeaders();
  for (const [name, value] of Object.entries(values)) encoded.set(name, value);
  return encoded;
}

/** The value of a header, or "". */
export function header(message: Msg, name: string): string {
  return message.headers?.get(name) ?? "";
}
