import type { z } from "zod";
import { Refusal } from "./dialect.ts";

/** The body as `schema` has it. @throws Refusal malformed, with the place that is wrong */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join(".") ?? "";
  throw new Refusal("malformed", `Invalid ${at === "" ? "body" : `'${at}'`}: ${issue?.code ?? "malformed"}.`);
}
