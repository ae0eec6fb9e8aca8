import { ScbeError } from "@scbe/contracts";
import { z } from "zod";

/** How deep a piece of data may nest. */
const DATA_LEVELS_MAX = 64;

/** Any JSON value. A body comes from the JSON parser, so all that can be wrong is that it is missing or nests too deep. */
const Data = z.custom<unknown>((value) => value !== undefined && nestsWithin(value, DATA_LEVELS_MAX), {
  error: `is missing, or nests deeper than ${DATA_LEVELS_MAX} levels`,
});

/** A piece of a message: words, any JSON for the model to read, or a picture (base64). */
const Part = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string() }),
  z.strictObject({ type: z.literal("data"), data: Data }),
  z.strictObject({ type: z.literal("image"), media_type: z.string().regex(/^image\//), data: z.base64() }),
]);
export type Part = z.infer<typeof Part>;

/**
 * What an orchestrator asks, in one form for all providers, so that a request can be sent to another one unchanged. The
 * gateway turns it into its provider's own form.
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

/** What a provider said, in one form for all of them. */
export interface Reply {
  readonly text: string;
  /** Why it stopped, in the provider's own word. */
  readonly finish: string;
  /** Undefined where the provider does not say. */
  readonly tokens?: { readonly input: number; readonly output: number } | undefined;
}

/** What an orchestrator gets: the reply, and who gave it. */
export const ChatAnswer = z.object({
  provider: z.string(),
  model: z.string(),
  text: z.string(),
  /** Why it stopped, in the provider's own word. */
  finish: z.string(),
  /** Undefined where the provider does not say. */
  tokens: z.object({ input: z.int(), output: z.int() }).optional(),
});
export type ChatAnswer = z.infer<typeof ChatAnswer>;

const JSON_TYPE = /^application\/json\b/;
const IMAGE_TYPE = /^image\/[a-z0-9.+-]+$/;

/**
 * The chat that a request's body is: JSON in the form above, or a bare picture to be described.
 * @throws ScbeError BAD_REQUEST
 */
export function readChat(body: Uint8Array, contentType: string): Chat {
  if (IMAGE_TYPE.test(contentType)) return chatAbout(body, contentType);
  if (!JSON_TYPE.test(contentType)) {
    throw new ScbeError("BAD_REQUEST", "the body is to be application/json or a picture");
  }
  const parsed = Chat.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  throw new ScbeError("BAD_REQUEST", `the body is no chat: ${tell(parsed.error)}`);
}

/** The answer that a body is. @throws ScbeError BAD_REQUEST */
export function readChatAnswer(body: Uint8Array, contentType: string): ChatAnswer {
  if (!JSON_TYPE.test(contentType)) throw new ScbeError("BAD_REQUEST", "the answer is no application/json");
  const parsed = ChatAnswer.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  throw new ScbeError("BAD_REQUEST", `the answer is none of a chat: ${tell(parsed.error)}`);
}

/** The parts of a message; data becomes its JSON. */
export function partsOf({ content }: Message): Exclude<Part, { type: "data" }>[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return content.map((part) =>
    part.type === "data" ? { type: "text", text: JSON.stringify(part.data) } : part,
  );
}

/** The words of a message, for where a provider takes nothing else. @throws ScbeError BAD_REQUEST for a picture */
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
    // The parser's own words would quote the body.
    throw new ScbeError("BAD_REQUEST", "the body is no JSON in UTF-8");
  }
}

/** Where the first thing is wrong, and with what: names of the form alone, nothing of the body. */
function tell({ issues }: z.ZodError): string {
  const [issue] = issues;
  const at = issue?.path.join(".") ?? "";
  return `${at === "" ? "the whole" : at}: ${issue?.code ?? "invalid"}`;
}

function nestsWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => nestsWithin(member, levels - 1));
}

/** How one family of providers speaks HTTP. */
export interface Shape {
  /** After the API's base URL, which ends in its version. */
  path(model: string): string;
  /** Who calls, and which version of the API is meant. */
  headers(key: string): Readonly<Record<string, string>>;
  /** The body, to be sent as JSON. @throws ScbeError BAD_REQUEST for what this provider cannot be asked */
  request(chat: Chat, model: string): unknown;
  /** Reads the body of an answer with status 200. @throws ZodError when it is none */
  answer(body: unknown): Reply;
  /** True for an error that means the key, where the status alone does not say so. */
  meansTheKey?(status: number, body: string): boolean;
}
