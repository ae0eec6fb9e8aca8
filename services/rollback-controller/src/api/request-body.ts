import { type JSONPath, visit } from "jsonc-parser";
import { type FieldProblem, fieldOf, fieldProblems } from "./fields.ts";
import { Refusal } from "./refusal.ts";
import type { ApiRoute } from "./route.ts";

/** The body as the route's schema gives it; undefined without a schema. @throws Refusal 400 that names each field */
export function readBody({ body: schema }: ApiRoute, text: unknown): unknown {
  if (schema === undefined) return undefined;
  if (schema === "stream") return text;
  const body = typeof text === "string" ? text : "";
  if (body === "") throw Refusal.ofFields([{ field: "body", problem: "is empty; JSON is expected" }]);
  const json = readJson(body);
  if (!json.ok) throw Refusal.ofFields([json.problem]);
  const read = schema.safeParse(json.value);
  if (!read.success) throw Refusal.ofFields(fieldProblems(read.error));
  return read.data;
}

/** The query as the route's schema gives it. Digits become a number. @throws Refusal 400 */
export function readQuery({ query: schema }: ApiRoute, query: unknown): unknown {
  if (schema === undefined) return undefined;
  const values = Object.entries(query as Record<string, unknown>).map(([name, value]) => [
    name,
    typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value,
  ]);
  const read = schema.safeParse(Object.fromEntries(values));
  if (!read.success) throw Refusal.ofFields(fieldProblems(read.error));
  return read.data;
}

/** The value of a JSON text, or its first problem. */
export type JsonReading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: FieldProblem };

/** Deeper than any body of the API. */
const DEPTH_MAX = 16;

/**
 * Reads JSON more strictly than `JSON.parse`, which takes the last of two equal keys: a reviewer who read the first one would approve
 * another change than the one that is made. Each problem names its field, also where the text is not JSON, as with NaN for a number.
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

/** Ends the visit of a text at its first problem. */
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
        // The check of objects would drop it silently.
        if (key === "__proto__") fail(at, "is not known");
        const seen = keys.at(-1);
        if (seen?.has(key))
          fail(at, `occurs twice in the body, again in line ${line + 1}, column ${column + 1}`);
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
