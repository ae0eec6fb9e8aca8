import type { IncomingHttpHeaders } from "node:http";
import type { z } from "zod";
import type { Transcript } from "./transcript.ts";

/** An HTTP request to a provider's API. */
export interface ApiRequest {
  readonly headers: IncomingHttpHeaders;
  /** The path below the API's base URL. */
  readonly path: string;
  /** Parsed JSON. */
  readonly body: unknown;
}

/** The model and the chat of a request. */
export interface ParsedRequest {
  readonly model: string;
  readonly transcript: Transcript;
}

/** The API of one family of providers, from the server's side. */
export interface Dialect {
  /** @throws Refusal for a request that the real API would refuse */
  read(request: ApiRequest): ParsedRequest;
  /** The body of an answer. */
  answer(request: ParsedRequest, text: string): unknown;
  /** The body of an error. */
  error(refusal: Refusal): unknown;
}

/** The kinds of errors of the real APIs, with their HTTP status. */
export const REFUSAL_STATUS = {
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  unknown: 404,
  "too large": 413,
  failing: 500,
} as const;

/** The refusal of a request, like that of the real API. */
export class Refusal extends Error {
  readonly kind: keyof typeof REFUSAL_STATUS;

  constructor(kind: keyof typeof REFUSAL_STATUS, message: string) {
    super(message);
    this.kind = kind;
  }

  get status(): number {
    return REFUSAL_STATUS[this.kind];
  }
}

/** The body, checked by `schema`. @throws Refusal malformed, with the place of the problem */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join(".") ?? "";
  throw new Refusal("malformed", `Invalid ${at === "" ? "body" : `'${at}'`}: ${issue?.code ?? "malformed"}.`);
}

const BYTES_PER_TOKEN = 4;

/** A count for APIs that report tokens; the stand-in has none. */
export function tokensOf(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
