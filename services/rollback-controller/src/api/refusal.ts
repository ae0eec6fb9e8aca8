import { ERROR_CODES, type ErrorCode, isScbeError, SERVICE_ERROR_NUMBERS } from "@scbe/contracts";
import { z } from "zod";
import type { FieldProblem } from "./fields.ts";
import type { Holder, Role } from "./tokens.ts";

/** The body of every answer that is not 2xx. Programs branch on `code`; `title` is for people. */
export const ProblemBody = z
  .object({
    code: z
      .string()
      .describe("One of SCBE's error codes, or UNAUTHORIZED, NOT_FOUND, METHOD_NOT_ALLOWED, MISDIRECTED"),
    title: z.string(),
    fields: z
      .array(z.object({ field: z.string(), problem: z.string() }))
      .optional()
      .describe("What is wrong, field by field; nothing was changed then"),
    kill_switch_engaged: z
      .literal(true)
      .optional()
      .describe("The kill that was ordered was sent, and what was ordered beside it was not done"),
  })
  .meta({ id: "Problem" });
export type ProblemBody = z.infer<typeof ProblemBody>;

/** A request that is not done, as the server answers it. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly body: ProblemBody;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, body: ProblemBody, headers: Readonly<Record<string, string>> = {}) {
    super(body.title);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }

  /** 400. The title has the first problem, since many tools show the title alone. */
  static ofFields(fields: readonly FieldProblem[]): Refusal {
    const [first] = fields;
    const more = fields.length > 1 ? ` (and ${fields.length - 1} more)` : "";
    const title = first === undefined ? "the request is wrong" : `${first.field}: ${first.problem}${more}`;
    return new Refusal(400, { code: "BAD_REQUEST", title, fields: [...fields] });
  }

  /** 403: the holder's role is not one of those that the request needs. */
  static ofRole({ name, role }: Holder, access: readonly Role[]): Refusal {
    const title = `the token ${name} (${role}) may not do this; it needs the role ${access.join(" or ")}`;
    return new Refusal(403, { code: "FORBIDDEN", title });
  }

  /** 429, with the seconds until the next try. */
  static ofRate(title: string, seconds: number): Refusal {
    return new Refusal(429, { code: "BUSY", title }, { "retry-after": String(seconds) });
  }

  /** 500. The log alone has the cause. */
  static defect(): Refusal {
    return new Refusal(500, { code: "INTERNAL", title: ERROR_CODES.INTERNAL });
  }

  /** The public form of an error; `undefined`: it is a defect, and has none. */
  static of(error: unknown): Refusal | undefined {
    if (error instanceof Refusal) return error;
    if (isScbeError(error)) {
      const { code } = error;
      const title = code === "INTERNAL" ? ERROR_CODES.INTERNAL : error.message;
      return new Refusal(SERVICE_ERROR_NUMBERS[code], { code, title });
    }
    return ofHttp(error);
  }
}

/** What the HTTP server itself refuses, such as a body that is too large. */
function ofHttp(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  const { statusCode: status } = error;
  if (typeof status !== "number" || status < 400 || status >= 500) return undefined;
  const code: ErrorCode = status === 413 ? "TOO_LARGE" : "BAD_REQUEST";
  return new Refusal(status, { code, title: error.message });
}
