import { isName, MODEL_PATTERN, ScbeError } from "@scbe/contracts";
import { z } from "zod";

/** One request to send, as the client takes it. */
export interface ExampleRequest {
  /** Unique within its file. */
  readonly id: string;
  readonly provider: string;
  readonly model: string;
  readonly intent: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

const BYTES_MAX = 64 * 1024 * 1024;

/**
 * The requests of a JSONL file, in order. A line is `{"id", "provider", "model", "intent", "body"}` with any JSON as the
 * body, or with `"content_type"` and `"body_base64"` in place of it for raw bytes. Empty lines are skipped.
 * @throws ScbeError BAD_REQUEST that names the line
 */
export function decodeRequests(bytes: Uint8Array): ExampleRequest[] {
  if (bytes.length > BYTES_MAX) throw new ScbeError("BAD_REQUEST", `the file exceeds ${BYTES_MAX} bytes`);
  const requests = decodeUtf8(bytes)
    .split("\n")
    .flatMap((line, index) => (line.trim() === "" ? [] : [{ request: decodeLine(line, index + 1), index }]));
  const lineOf = new Map<string, number>();
  for (const { request, index } of requests) {
    const first = lineOf.get(request.id);
    if (first !== undefined) throw wrong(index + 1, `the id ${request.id} is in line ${first} already`);
    lineOf.set(request.id, index + 1);
  }
  if (requests.length === 0) throw new ScbeError("BAD_REQUEST", "the file holds no request");
  return requests.map(({ request }) => request);
}

const Common = {
  id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  provider: z.string().refine(isName),
  model: z.string().regex(MODEL_PATTERN),
  intent: z.string().refine(isName),
};
const JsonLine = z.strictObject({
  ...Common,
  body: z.custom<unknown>((value) => value !== undefined, { error: "is missing" }),
});
const BinaryLine = z.strictObject({
  ...Common,
  content_type: z.string().regex(/^[a-z]+\/[a-z0-9.+-]{1,64}$/),
  body_base64: z.base64(),
});

function decodeLine(line: string, number: number): ExampleRequest {
  const value = parseJson(line, number);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(number, "is not a JSON object");
  }
  if ("body_base64" in value) {
    const { content_type: contentType, body_base64, ...names } = parse(BinaryLine, value, number);
    return { ...names, contentType, body: Buffer.from(body_base64, "base64") };
  }
  const { body, ...names } = parse(JsonLine, value, number);
  return { ...names, contentType: "application/json", body: Buffer.from(JSON.stringify(body)) };
}

function parse<S extends z.ZodType>(schema: S, value: unknown, number: number): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join(".") ?? "";
  throw wrong(number, `${at === "" ? "" : `${at}: `}${issue?.message ?? "malformed"}`);
}

function parseJson(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw wrong(number, "is not JSON", cause);
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", "the file is not UTF-8", { cause });
  }
}

function wrong(number: number, what: string, cause?: unknown): ScbeError {
  return new ScbeError("BAD_REQUEST", `line ${number}: ${what}`, { cause });
}
