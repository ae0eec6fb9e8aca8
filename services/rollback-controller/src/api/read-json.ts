import { cutText } from "@scbe/contracts";
import { type JSONPath, visit } from "jsonc-parser";
import type { FieldProblem } from "../domain/field-problems.ts";

/** What a text says in JSON, or what is wrong with it and where. */
export type JsonReading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: FieldProblem };

/** Deeper than any body of ours. */
const DEPTH_MAX = 16;
const FIELD_LENGTH_MAX = 200;

/**
 * Reads JSON more strictly than `JSON.parse`, which takes the last one of two equal keys: who reviewed the first would not know what
 * they have switched. Each problem names its field, also where the text is no JSON, as with NaN for a number.
 */
export function readJson(text: string): JsonReading {
  const problem = findProblem(text);
  if (problem !== undefined) return { ok: false, problem };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, problem: { field: "body", problem: "is not JSON" } };
  }
}

/** Ends the visit of a text whose first problem was found. */
class Found extends Error {
  readonly problem: FieldProblem;

  constructor(problem: FieldProblem) {
    super(problem.problem);
    this.problem = problem;
  }
}

function findProblem(text: string): FieldProblem | undefined {
  try {
    visitStrictly(text);
    return undefined;
  } catch (error) {
    if (error instanceof Found) return error.problem;
    throw error;
  }
}

/** @throws Found at the first problem */
function visitStrictly(text: string): void {
  const keys: Set<string>[] = [];
  let depth = 0;
  let at: JSONPath = [];
  const fail = (path: JSONPath, problem: string): never => {
    throw new Found({ field: fieldOf(path), problem });
  };
  const enter = (path: JSONPath): void => {
    depth += 1;
    if (depth > DEPTH_MAX) fail(path.slice(0, 4), `is nested more than ${DEPTH_MAX} deep`);
  };
  const leave = (): void => {
    depth -= 1;
  };
  visit(
    text,
    {
      onObjectBegin: (_offset, _length, _line, _column, path) => {
        enter(path());
        keys.push(new Set());
      },
      onObjectProperty: (key, _offset, _length, line, column, path) => {
        at = [...path(), key];
        // It would be left out in silence where objects are checked.
        if (key === "__proto__") fail(at, "is not known");
        const seen = keys.at(-1);
        if (seen?.has(key))
          fail(at, `stands twice in the body, again in line ${line + 1}, column ${column + 1}`);
        seen?.add(key);
      },
      onObjectEnd: () => {
        keys.pop();
        leave();
      },
      onArrayBegin: (_offset, _length, _line, _column, path) => enter(path()),
      onArrayEnd: leave,
      onError: (_code, _offset, _length, line, column) =>
        fail(at, `is not JSON in line ${line + 1}, column ${column + 1}`),
    },
    { disallowComments: true },
  );
}

function fieldOf(path: JSONPath): string {
  return path.length === 0 ? "body" : cutText(path.join("."), FIELD_LENGTH_MAX);
}
