import { ScbeError } from "@scbe/contracts";
import { z } from "zod";

/** How deep a piece of data may nest. */
const DATA_LEVELS_MAX = 64;

/** Any JSON value. It comes from the JSON parser, so it can only be missing or nested too deep. */
const Data = z.custom<unknown>((value) => value !== undefined && nestsWithin(value, DATA_LEVELS_MAX), {
  error: `is missing, or nests deeper than ${DATA_LEVELS_MAX} levels`,
});

/** A part of a message: text, any JSON for the model to read, or a picture (base64). */
const Part = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string() }),
  z.strictObject({ type: z.literal("data"), data: Data }),
  z.strictObject({ type: z.literal("image"), media_type: z.string().regex(/^image\//), data: z.base64() }),
]);
export type Part = z.infer<typeof Part>;

/**
 * A chat request in one form for all providers, so that an orchestrator can send it to another provider unchanged. The gateway converts it
 * into its provider's form.
 */
export const Chat = z.strictObject({
  messages: z
    .array(
      z.strictObject({
        role: z.enum(["system", "user", "assistant"]),
        content: z.union([z.string(), z.array(Part).max(256)]),
      }),
    )
    .min(1)
    .max(1024),
  max_tokens: z.int().min(1).max(1_000_000).optional(),
  temperature: z.number().min(0).max(2).optional(),
});
export type Chat = z.infer<typeof Chat>;
export type Message = Chat["messages"][number];

/** The answer of a provider, in one form for all of them. */
export interface Reply {
  readonly text: string;
  /** Why the model stopped, in the provider's own word. */
  readonly finish: string;
  /** Undefined if the provider gives no counts. */
  readonly tokens?: { readonly input: number; readonly output: number } | undefined;
}

/** The answer to an orchestrator: the reply, its provider and model. */
export const ChatAnswer = z.object({
  provider: z.string(),
  model: z.string(),
  text: z.string(),
  /** Why the model stopped, in the provider's own word. */
  finish: z.string(),
  /** Undefined if the provider gives no counts. */
  tokens: z.object({ input: z.int(), output: z.int() }).optional(),
});
export type ChatAnswer = z.infer<typeof ChatAnswer>;

const JSON_TYPE = /^application\/json\b/;
const IMAGE_TYPE = /^image\/[a-z0-9.+-]+$/;

/**
 * Reads a request's body: JSON in the form above, or a bare picture, which the model is asked to describe.
 * @throws ScbeError BAD_REQUEST
 */
export function readChat(body: Uint8Array, contentType: string): Chat {
  if (IMAGE_TYPE.test(contentType)) return chatAbout(body, contentType);
  if (!JSON_TYPE.test(contentType)) {
    throw new ScbeError("BAD_REQUEST", "the body must be application/json or a picture");
  }
  const parsed = Chat.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  throw new ScbeError("BAD_REQUEST", `the body is not a chat: ${describe(parsed.error)}`);
}

/** Reads an answer's body. @throws ScbeError BAD_REQUEST */
export function readChatAnswer(body: Uint8Array, contentType: string): ChatAnswer {
  if (!JSON_TYPE.test(contentType)) throw new ScbeError("BAD_REQUEST", "the answer is not application/json");
  const parsed = ChatAnswer.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  throw new ScbeError("BAD_REQUEST", `the answer is not that of a chat: ${describe(parsed.error)}`);
}

/** The parts of a message; data parts become JSON text. */
export function partsOf({ content }: Message): Exclude<Part, { type: "data" }>[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return content.map((part) =>
    part.type === "data" ? { type: "text", text: JSON.stringify(part.data) } : part,
  );
}

/** The text of a message, for providers that take only text there. @throws ScbeError BAD_REQUEST for a picture */
export function textOf(message: Message): string {
  return partsOf(message)
    .map((part) => {
      if (part.type === "text") return part.text;
      throw new ScbeError("BAD_REQUEST", "a system message holds no picture");
    })
    .join("\n");
}

function chatAbout(picture: Uint8Array, mediaType: string): Chat {
  const data = Buffer.from(picture).toString("base64");
  const content: Part[] = [
    { type: "text", text: "Describe this picture." },
    { type: "image", media_type: mediaType, data },
  ];
  return { messages: [{ role: "user", content }] };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    // The parser's message would quote the body.
    throw new ScbeError("BAD_REQUEST", "the body is not JSON in UTF-8");
  }
}

/** The place and kind of the first problem, without anything of the body. */
function describe({ issues }: z.ZodError): string {
  const [issue] = issues;
  const at = issue?.path.join(".") ?? "";
  return `${at === "" ? "the whole" : at}: ${issue?.code ?? "invalid"}`;
}

function nestsWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => nestsWithin(member, levels - 1));
}

/** The HTTP API of one family of providers. */
export interface Shape {
  /** The path after the API's base URL, which ends in its version. */
  path(model: string): string;
  /** The key, and the version of the API. */
  headers(key: string): Readonly<Record<string, string>>;
  /** The body, which is sent as JSON. @throws ScbeError BAD_REQUEST for a chat that this provider does not take */
  request(chat: Chat, model: string): unknown;
  /** Reads the body of an answer with status 200. @throws ZodError for another form */
  answer(body: unknown): Reply;
  /** True for an error about the key, if the status alone does not show that. */
  meansTheKey?(status: number, body: string): boolean;
}
