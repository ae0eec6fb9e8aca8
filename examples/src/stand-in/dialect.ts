import type { IncomingHttpHeaders } from "node:http";
import type { z } from "zod";
import type { Heard } from "./heard.ts";

/** One request as a dialect sees it. */
export interface Asked {
  readonly headers: IncomingHttpHeaders;
  /** The path below the API's base URL. */
  readonly path: string;
  /** Parsed JSON. */
  readonly body: unknown;
}

/** What a request asks for. */
export interface IncomingRequest {
  readonly model: string;
  readonly heard: Heard;
}

/** How one family of providers takes questions, gives answers and refuses. */
export interface Dialect {
  /** @throws Refusal for what the real API would refuse */
  read(asked: Asked): IncomingRequest;
  /** The body of an answer. */
  answer(question: IncomingRequest, text: string): unknown;
  /** The body of an error. */
  error(refusal: Refusal): unknown;
}

/** The kinds of errors that the real APIs know, by their HTTP status. */
export const REFUSAL_STATUS = {
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  unknown: 404,
  "too large": 413,
  failing: 500,
} as const;

/** A request that the stand-in refuses, as the real API would. */
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

/** The body as `schema` has it. @throws Refusal malformed, with the place that is wrong */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join(".") ?? "";
  throw new Refusal("malformed", `Invalid ${at === "" ? "body" : `'${at}'`}: ${issue?.code ?? "malformed"}.`);
}

const BYTES_PER_TOKEN = 4;

/** A count for the place where an API has one; the stand-in has no tokens. */
export function tokensOf(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
