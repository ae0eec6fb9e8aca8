import { z } from "zod";
import {
  type ApiRequest,
  type Dialect,
  type ParsedRequest,
  parseBody,
  Refusal,
  tokensOf,
} from "./dialect.ts";
import { bytesIn, type TranscriptPart } from "./transcript.ts";

/** The names that a provider of this family takes for the limit of an answer. */
type LimitName = "max_tokens" | "max_completion_tokens";

/** OpenAI's chat completions, with the parameters that the example gateway uses. */
export function openaiDialect(limitNames: readonly LimitName[]): Dialect {
  const Body = bodyWith(limitNames);
  return {
    read: ({ headers, path, body }) => {
      demandKey(headers);
      if (path !== "/chat/completions") throw new Refusal("unknown", `Unknown request URL: POST ${path}.`);
      const { model, messages } = parseBody(Body, body);
      const system = messages.filter(({ role }) => role === "system").flatMap(textsOf);
      const turns = messages.flatMap(({ role, content }) =>
        role === "system" ? [] : [{ role, parts: partsOf(content) }],
      );
      return { model, transcript: { system: system.join("\n"), turns } };
    },
    answer,
    error: ({ kind, message }) => ({
      error: { message, type: "invalid_request_error", param: null, code: CODES[kind] ?? null },
    }),
  };
}

const CODES: Readonly<Record<string, string>> = { unknown: "unknown_url" };

const Content = z.union([
  z.string(),
  z
    .array(
      z.discriminatedUnion("type", [
        z.strictObject({ type: z.literal("text"), text: z.string() }),
        z.strictObject({
          type: z.literal("image_url"),
          image_url: z.strictObject({ url: z.string().regex(/^data:image\/[a-z0-9.+-]+;base64,/) }),
        }),
      ]),
    )
    .min(1),
]);
type Content = z.infer<typeof Content>;

const Message = z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: Content });

function bodyWith(limitNames: readonly LimitName[]) {
  const limit = z.int().min(1).optional();
  return z.strictObject({
    model: z.string().min(1),
    messages: z.array(Message).min(1),
    temperature: z.number().min(0).max(2).optional(),
    ...Object.fromEntries(limitNames.map((name) => [name, limit])),
  });
}

function demandKey({ authorization }: ApiRequest["headers"]): void {
  if (authorization !== undefined && /^Bearer \S+$/.test(authorization)) return;
  throw new Refusal(
    "unauthenticated",
    "You didn't provide an API key. Provide it in an Authorization header using Bearer auth.",
  );
}

function partsOf(content: Content): TranscriptPart[] {
  if (typeof content === "string") return [{ text: content }];
  return content.map((part) => (part.type === "text" ? { text: part.text } : pictureOf(part.image_url.url)));
}

function pictureOf(dataUrl: string): TranscriptPart {
  const comma = dataUrl.indexOf(",");
  const mediaType = dataUrl.slice("data:".length, comma - ";base64".length);
  return { mediaType, picture: Buffer.from(dataUrl.slice(comma + 1), "base64") };
}

function textsOf({ content }: z.infer<typeof Message>): string[] {
  return partsOf(content).map((part) => {
    if ("text" in part) return part.text;
    throw new Refusal("malformed", "Invalid 'messages': a system message takes text only.");
  });
}

function answer({ model, transcript }: ParsedRequest, text: string): unknown {
  const usage = { prompt_tokens: tokensOf(bytesIn(transcript)), completion_tokens: tokensOf(text.length) };
  return {
    id: "chatcmpl-stand-in",
    object: "chat.completion",
    created: 0,
    model,
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
    usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens },
  };
}
