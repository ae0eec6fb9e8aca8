import { z } from "zod";
import { type Message, partsOf, type Reply, type Shape } from "../chat.ts";

/** The name that a provider of this family has for the limit of an answer. */
type LimitName = "max_tokens" | "max_completion_tokens";

/** OpenAI's chat completions, which most providers have adopted. */
export function openaiShape(limitName: LimitName): Shape {
  return {
    path: () => "/chat/completions",
    headers: (key) => ({ authorization: `Bearer ${key}` }),
    request: ({ messages, max_tokens, temperature }, model) => ({
      model,
      messages: messages.map((message) => ({ role: message.role, content: contentOf(message) })),
      ...(max_tokens !== undefined && { [limitName]: max_tokens }),
      ...(temperature !== undefined && { temperature }),
    }),
    answer: readAnswer,
  };
}

function contentOf(message: Message) {
  if (typeof message.content === "string") return message.content;
  return partsOf(message).map((part) =>
    part.type === "text"
      ? { type: "text", text: part.text }
      : { type: "image_url", image_url: { url: `data:${part.media_type};base64,${part.data}` } },
  );
}

const Completion = z.object({
  choices: z
    .array(z.object({ message: z.object({ content: z.string().nullable() }), finish_reason: z.string() }))
    .min(1),
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }).optional(),
});

function readAnswer(body: unknown): Reply {
  const { choices, usage } = Completion.parse(body);
  return {
    text: choices[0]?.message.content ?? "",
    finish: choices[0]?.finish_reason ?? "",
    tokens: usage && { input: usage.prompt_tokens, output: usage.completion_tokens },
  };
}
