import { z } from "zod";
import { type Dialect, parseBody, Refusal, tokensOf } from "./dialect.ts";
import { bytesIn } from "./transcript.ts";

const PATH = /^\/models\/([^/:]+):generateContent$/;

/** Google's generateContent, with the parameters that the example gateway uses. */
export const geminiDialect: Dialect = {
  read: ({ headers, path, body }) => {
    // Google answers a missing key with 403, not 401.
    if (!headers["x-goog-api-key"]) {
      throw new Refusal("forbidden", "Method doesn't allow unregistered callers. Please use API Key.");
    }
    const model = PATH.exec(path)?.[1];
    if (model === undefined) throw new Refusal("unknown", `${path} is not found`);
    const { contents, systemInstruction } = parseBody(Body, body);
    return {
      model: decodeURIComponent(model),
      transcript: {
        system: (systemInstruction?.parts ?? []).map(({ text }) => text).join("\n"),
        turns: contents.map(({ role, parts }) => ({
          role: role === "model" ? "assistant" : "user",
          parts: parts.map((part) =>
            "text" in part
              ? part
              : {
                  mediaType: part.inlineData.mimeType,
                  picture: Buffer.from(part.inlineData.data, "base64"),
                },
          ),
        })),
      },
    };
  },
  answer: ({ model, transcript }, text) => {
    const usage = {
      promptTokenCount: tokensOf(bytesIn(transcript)),
      candidatesTokenCount: tokensOf(text.length),
    };
    return {
      candidates: [{ content: { parts: [{ text }], role: "model" }, finishReason: "STOP", index: 0 }],
      usageMetadata: { ...usage, totalTokenCount: usage.promptTokenCount + usage.candidatesTokenCount },
      modelVersion: model,
    };
  },
  error: ({ kind, status, message }) => ({ error: { code: status, message, status: STATUSES[kind] } }),
};

const STATUSES = {
  malformed: "INVALID_ARGUMENT",
  unauthenticated: "UNAUTHENTICATED",
  forbidden: "PERMISSION_DENIED",
  unknown: "NOT_FOUND",
  "too large": "INVALID_ARGUMENT",
  failing: "INTERNAL",
} as const;

const Text = z.strictObject({ text: z.string() });
const Picture = z.strictObject({
  inlineData: z.strictObject({ mimeType: z.string().regex(/^image\//), data: z.base64().min(1) }),
});

const Body = z.strictObject({
  contents: z
    .array(
      z.strictObject({ role: z.enum(["user", "model"]), parts: z.array(z.union([Text, Picture])).min(1) }),
    )
    .min(1),
  systemInstruction: z.strictObject({ parts: z.array(Text).min(1) }).optional(),
  generationConfig: z
    .strictObject({
      maxOutputTokens: z.int().min(1).optional(),
      temperature: z.number().min(0).max(2).optional(),
    })
    .optional(),
});
