import { isName, type SubjectToken } from "@scbe/contracts";
import type { Msg } from "nats";
import type { EndpointAnswer, EndpointRequest } from "../bus.ts";
import { ReceivedMessage } from "./message.ts";

/** The names in a subject; "" for a name that it does not have. */
export type SubjectNames = Readonly<Record<SubjectToken, string>>;

/**
 * The names in a received subject, by an endpoint's own; undefined if it does not match.
 * @param pattern the tokens of the endpoint's subject; each `*` matches one name
 * @param tokens the meaning of the last tokens
 */
export function subjectNames(
  subject: string,
  pattern: readonly string[],
  tokens: readonly SubjectToken[],
): SubjectNames | undefined {
  const parts = subject.split(".");
  if (parts.length !== pattern.length) return undefined;
  for (const [index, expected] of pattern.entries()) {
    const part = parts[index] ?? "";
    if (expected === "*" ? !isName(part) : part !== expected) return undefined;
  }
  const names = { user: "", provider: "", intent: "" };
  const first = parts.length - tokens.length;
  for (const [index, token] of tokens.entries()) names[token] = parts[first + index] ?? "";
  return names;
}

export interface Arrival extends SubjectNames {
  readonly reply: string;
  /** The key of the place that its handler takes. */
  readonly place: string;
  readonly arrivedAt: number;
}

export interface RequestPorts {
  readonly signal: AbortSignal;
  respondEarly(request: IncomingRequest, answer: NonNullable<EndpointAnswer>): void;
}

/** A request that an endpoint has accepted. */
export class IncomingRequest extends ReceivedMessage implements EndpointRequest {
  readonly replyTo: string;
  readonly user: string;
  readonly provider: string;
  readonly intent: string;
  readonly place: string;
  readonly arrivedAt: number;
  readonly #ports: RequestPorts;

  constructor(message: Msg, arrival: Arrival, ports: RequestPorts) {
    super(message);
    this.replyTo = arrival.reply;
    this.user = arrival.user;
    this.provider = arrival.provider;
    this.intent = arrival.intent;
    this.place = arrival.place;
    this.arrivedAt = arrival.arrivedAt;
    this.#ports = ports;
  }

  get signal(): AbortSignal {
    return this.#ports.signal;
  }

  respondEarly(answer: EndpointAnswer): void {
    if (answer !== undefined) this.#ports.respondEarly(this, answer);
  }
}
