import { fieldProblems } from "../domain/field-problems.ts";
import type { ApiRoute } from "./api-route.ts";
import { readJson } from "./read-json.ts";
import { Refusal } from "./refusal.ts";

/** The body as the route's schema has it; one that has none takes none. @throws Refusal 400 that names each field */
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

/** The query likewise; a number in it is one. @throws Refusal 400 */
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
