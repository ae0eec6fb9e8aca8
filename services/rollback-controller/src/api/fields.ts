import { cutText, REASON_MAX } from "@scbe/contracts";
import { z } from "zod";

/** What is wrong with one field of a body or a query. */
export interface FieldProblem {
  /** Its path, as `scbe_kill_switch.reason`; `body` for the whole. */
  readonly field: string;
  readonly problem: string;
}

/** A text for people that goes into signed documents: one line of Unicode that every reader takes for the same. */
export const Reason = z
  .string({ error: "expected text" })
  .max(REASON_MAX, { error: `expected at most ${REASON_MAX} characters` })
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), {
    error: "expected one line of text without control characters",
  });

/** A reason that is required. */
export const GivenReason = Reason.refine((text) => text.trim() !== "", {
  error: "must say why: the audit and other people need it",
});

const PROBLEMS_MAX = 20;
const FIELD_LENGTH_MAX = 200;
const NO_NAME = "is no name; those have lower-case letters, digits, - and _";

/** Each issue of a schema by its field. An unknown field is named itself, not the object around it. */
export function fieldProblems(error: z.ZodError): readonly FieldProblem[] {
  return error.issues
    .flatMap((issue) => {
      if (issue.code === "unrecognized_keys") {
        return issue.keys.map((key) => ({ field: fieldOf([...issue.path, key]), problem: "is not known" }));
      }
      const problem = issue.code === "invalid_key" ? NO_NAME : issue.message;
      return [{ field: fieldOf(issue.path), problem }];
    })
    .slice(0, PROBLEMS_MAX);
}

/** The name of the field at a path; `body` for the empty path. */
export function fieldOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "body" : cutText(path.map(String).join("."), FIELD_LENGTH_MAX);
}

/** The problem of a field that names a provider which is not one of `providers`. */
export function notOneOf(providers: readonly string[]): string {
  return `is no provider of this deployment; those are ${providers.join(", ")}`;
}
