import { z } from "zod";
import { cutText } from "./cut-text.ts";
import { ERROR_CODES, type ErrorCode, ScbeError } from "./errors.ts";

/**
 * Media type of a sealed response that says why there is no other: the gateway opened the request, and could not do what
 * it asks. The body is a {@link Problem}. It is ours alone, so that no provider's own answer is ever taken for it.
 */
export const PROBLEM_MEDIA_TYPE = "application/vnd.scbe.problem+json";

/** `title` is public text for people; `code` is the one to branch on. */
export const Problem = z.object({
  code: z.string().min(1).max(64),
  title: z.string().max(1000),
});
export type Problem = z.infer<typeof Problem>;

/** The body of a sealed response that carries `error`: its code and public text, never its cause. */
export function encodeProblem({ code, message }: ScbeError): Uint8Array {
  const problem: Problem = { code, title: cutText(message, 500) };
  return new TextEncoder().encode(JSON.stringify(problem));
}

/** The error that such a body carries. One that is malformed, or newer than this program, reads as HANDLER_FAILED. */
export function decodeProblem(body: Uint8Array): ScbeError {
  const { code, title } = parse(body) ?? { code: "HANDLER_FAILED", title: "a problem that cannot be read" };
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : "HANDLER_FAILED";
  return new ScbeError(known, title);
}

function parse(body: Uint8Array): Problem | undefined {
  try {
    return Problem.parse(JSON.parse(new TextDecoder().decode(body)));
  } catch {
    return undefined;
  }
}
