import { z } from "zod";
import { type ApiRequest, type Dialect, parseBody, Refusal, tokensOf } from "./dialect.ts";
import { bytesIn, type TranscriptPart } from "./transcript.ts";

/** Anthropic's messages, with the parameters that the example gateway uses. */
export const anthropicDialect: Dialect = {
  read: ({ headers, path, body }) => {
    demandHeaders(headers);
    if (path !== "/messages") throw new Refusal("unknown", `Not found: ${path}`);
    const { model, messages, system = "" } = parseBody(Body, body);
    return {
      model,
      transcript: { system, turns: messages.map(({ role, content }) => ({ role, parts: partsOf(content) })) },
    };
  },
  answer: ({ model, transcript }, text) => ({
    id: "msg_stand-in",
    type: "message",
    role: "assistant",
    model,
    content: [{ type: "text", text }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: tokensOf(bytesIn(transcript)), output_tokens: tokensOf(text.length) },
  }),
  error: ({ kind, message }) => ({ type: "error", error: { type: TYPES[kind], message } }),
};

const TYPES = {
  malformed: "invalid_request_error",
  unauthenticated: "authentication_error",
  forbidden: "permission_error",
  unknown: "not_found_error",
  "too large": "request_too_large",
  failing: "api_error",
} as const;

const Block = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string().min(1) }),
  z.strictObject({
    type: z.literal("image"),
    source: z.strictObject({
      type: z.literal("base64"),
      media_type: z.enum(["image/jpeg", "image/png", "image/gif", "image/webp"]),
      data: z.base64().min(1),
    }),
  }),
]);
const Content = z.union([z.string().min(1), z.array(Block).min(1)]);

const Body = z.strictObject({
  model: z.string().min(1),
  max_tokens: z.int().min(1),
  system: z.string().min(1).optional(),
  messages: z.array(z.strictObject({ role: z.enum(["user", "assistant"]), content: Content })).min(1),
  temperature: z.number().min(0).max(1).optional(),
});

function demandHeaders(headers: ApiRequest["headers"]): void {
  if (!headers["x-api-key"]) throw new Refusal("unauthenticated", "x-api-key header is required");
  if (!headers["anthropic-version"]) {
    throw new Refusal("malformed", "anthropic-version: header is required");
  }
  if (headers["anthropic-version"] !== "2023-06-01") {
    throw new Refusal("malformed", "anthropic-version: the stand-in does not know this version");
  }
}

function partsOf(content: z.infer<typeof Content>): TranscriptPart[] {
  if (typeof content === "string") return [{ text: content }];
  return content.map((block) =>
    block.type === "text"
      ? { text: block.text }
      : { mediaType: block.source.media_type, picture: Buffer.from(block.source.data, "base64") },
  );
}
