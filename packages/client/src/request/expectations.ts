import { type OutcomeResult, ScbeError } from "@scbe/contracts";

/** Checks on an answer. An absent member is not checked, except for `bytesMin`. */
export interface Expectations {
  /** Media type of the answer; parameters are compared only if this one has some. */
  readonly contentType?: string;
  /** `sha256:` and 64 hex digits: the schema that the answer's header names. */
  readonly schemaHash?: string;
  /** Bytes of the body, from 0; default 1. */
  readonly bytesMin?: number;
  /** From `bytesMin` up. */
  readonly bytesMax?: number;
  /** Milliseconds from sending to the provider; above 0. A later answer is returned, and counts against its provider. */
  readonly withinMs?: number;
  /** Inspects the answer, for example with a JSON schema. It is not awaited, and throwing counts as `false`. */
  readonly check?: (answer: { readonly body: Uint8Array; readonly contentType: string }) => boolean;
}

/** The parts of an answer that expectations are about. */
export interface JudgedAnswer {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** `none` if the answer names no schema. */
  readonly schemaHash: string;
}

/** @throws ScbeError BAD_REQUEST for invalid bounds */
export function checkExpectations({ bytesMin = 1, bytesMax, withinMs }: Expectations): void {
  if (!isSize(bytesMin)) throw bad(`bytesMin is ${bytesMin}; it must be an integer from 0`);
  if (bytesMax !== undefined && !(isSize(bytesMax) && bytesMax >= bytesMin))
    throw bad(`bytesMax is ${bytesMax}; it must be an integer from ${bytesMin}`);
  if (withinMs !== undefined && !(withinMs > 0)) throw bad(`withinMs is ${withinMs}; it must be above 0`);
}

/** The outcome that a verified answer is for its provider; `latencyMs` is the answer's own. */
export function judge(
  answer: JudgedAnswer,
  latencyMs: number,
  { contentType, schemaHash, bytesMin = 1, bytesMax, withinMs, check }: Expectations,
): OutcomeResult {
  const { body } = answer;
  if (body.length === 0 && bytesMin > 0) return "empty";
  if (body.length < bytesMin || (bytesMax !== undefined && body.length > bytesMax)) return "size";
  if (contentType !== undefined && !isOfType(answer.contentType, contentType)) return "media_type";
  if (schemaHash !== undefined && answer.schemaHash !== schemaHash) return "schema";
  if (check !== undefined && !passes(check, answer)) return "schema";
  return withinMs !== undefined && latencyMs > withinMs ? "latency" : "ok";
}

/** True if the caller gets the answer. */
export function isUsable(result: OutcomeResult): boolean {
  return result === "ok" || result === "latency";
}

/** RFC 9110, section 8.3.1: types and names of parameters are case-insensitive. */
function isOfType(type: string, expected: string): boolean {
  const [own, other] = [type, expected].map((it) => it.replace(/\s/g, "").toLowerCase());
  return own === other || own?.split(";")[0] === other;
}

function passes(check: NonNullable<Expectations["check"]>, { body, contentType }: JudgedAnswer): boolean {
  try {
    return check({ body, contentType });
  } catch {
    return false;
  }
}

function isSize(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= 0;
}

function bad(text: string): ScbeError {
  return new ScbeError("BAD_REQUEST", `expects: ${text}`);
}
