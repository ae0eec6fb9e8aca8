import { z } from "zod";
import { partsOf, type Shape, textOf } from "../chat.ts";

/** Google's generateContent: the model is in the path, and the assistant is called `model`. */
export const geminiShape: Shape = {
  path: (model) => `/models/${encodeURIComponent(model)}:generateContent`,
  headers: (key) => ({ "x-goog-api-key": key }),
  request: ({ messages, max_tokens, temperature }) => {
    const system = messages.filter(({ role }) => role === "system").map(textOf);
    return {
      contents: messages
        .filter(({ role }) => role !== "system")
        .map((message) => ({
          role: message.role === "assistant" ? "model" : "user",
          parts: partsOf(message).map((part) =>
            part.type === "text"
              ? { text: part.text }
              : { inlineData: { mimeType: part.media_type, data: part.data } },
          ),
        })),
      ...(system.length > 0 && { systemInstruction: { parts: system.map((text) => ({ text })) } }),
      generationConfig: {
        ...(max_tokens !== undefined && { maxOutputTokens: max_tokens }),
        ...(temperature !== undefined && { temperature }),
      },
    };
  },
  answer: (body) => {
    const { candidates, usageMetadata: usage } = Generated.parse(body);
    const [first] = candidates;
    return {
      text: (first?.content?.parts ?? []).map(({ text = "" }) => text).join(""),
      finish: first?.finishReason ?? "",
      tokens: usage && { input: usage.promptTokenCount, output: usage.candidatesTokenCount ?? 0 },
    };
  },
  meansTheKey: (status, body) => status === 400 && body.includes('"API_KEY_INVALID"'),
};

const Generated = z.object({
  candidates: z
    .array(
      z.object({
        /** Missing when the answer was withheld; the reason is in `finishReason`. */
        content: z
          .object({ parts: z.array(z.object({ text: z.string().optional() })).optional() })
          .optional(),
        finishReason: z.string(),
      }),
    )
    .min(1),
  usageMetadata: z.object({ promptTokenCount: z.int(), candidatesTokenCount: z.int().optional() }).optional(),
});
