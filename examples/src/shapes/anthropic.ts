import { z } from "zod";
import { type Message, partsOf, type Shape, textOf } from "../chat.ts";

/** The Messages API demands a limit. */
const MAX_TOKENS = 1024;

/** Anthropic's messages: the system text is a separate member, and the version of the API is in a header. */
export const anthropicShape: Shape = {
  path: () => "/messages",
  headers: (key) => ({ "x-api-key": key, "anthropic-version": "2023-06-01" }),
  request: ({ messages, max_tokens = MAX_TOKENS, temperature }, model) => {
    const system = messages.filter(({ role }) => role === "system").map(textOf);
    return {
      model,
      max_tokens,
      ...(system.length > 0 && { system: system.join("\n") }),
      messages: messages
        .filter(({ role }) => role !== "system")
        .map((message) => ({ role: message.role, content: contentOf(message) })),
      ...(temperature !== undefined && { temperature }),
    };
  },
  answer: (body) => {
    const { content, stop_reason, usage } = MessageAnswer.parse(body);
    return {
      text: content.map(({ text = "" }) => text).join(""),
      finish: stop_reason,
      tokens: { input: usage.input_tokens, output: usage.output_tokens },
    };
  },
};

function contentOf(message: Message) {
  if (typeof message.content === "string") return message.content;
  return partsOf(message).map((part) =>
    part.type === "text"
      ? { type: "text", text: part.text }
      : { type: "image", source: { type: "base64", media_type: part.media_type, data: part.data } },
  );
}

const MessageAnswer = z.object({
  content: z.array(z.object({ type: z.string(), text: z.string().optional() })),
  stop_reason: z.string(),
  usage: z.object({ input_tokens: z.int(), output_tokens: z.int() }),
});
