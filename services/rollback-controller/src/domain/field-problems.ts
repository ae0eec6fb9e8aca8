import { cutText } from "@scbe/contracts";
import type { z } from "zod";

/** What is wrong with one field of a body or a query. */
export interface FieldProblem {
  /** Its path, as `scbe_kill_switch.reason`; `body` for the whole. */
  readonly field: string;
  readonly problem: string;
}

const PROBLEMS_MAX = 20;
const FIELD_LENGTH_MAX = 200;
const NO_NAME = "is no name; those have lower-case letters, digits, - and _";

/** Each issue of a schema, by the field that it is about. An unknown field is named itself, not the object that it stands in. */
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

function fieldOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "body" : cutText(path.map(String).join("."), FIELD_LENGTH_MAX);
}
