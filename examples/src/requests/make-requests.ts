import type { Chat, Part } from "../chat.ts";
import { PROVIDER_NAMES, type ProviderName } from "../providers.ts";
import { makePng } from "./make-png.ts";
import { overridesOf } from "./words.ts";

/** Bytes of a body as it is sealed; together they go round all providers, small and large ones each. */
const SIZES = [
  200, 256, 384, 512, 777, 1024, 1500, 2048, 3000, 4096, 6000, 8192, 10_000, 16_384, 20_000, 24_576, 32_768,
  40_000, 49_152, 65_536, 80_000, 98_304, 131_072, 262_144,
] as const;

const MODELS: Readonly<Record<ProviderName, string>> = {
  openai: "gpt-5",
  anthropic: "claude-sonnet-4-5",
  google: "gemini-2.5-flash",
  groq: "llama-3.3-70b-versatile",
  perplexity: "sonar",
  xai: "grok-4",
};

/** A body at this size or above holds nested data beside its words. */
const DATA_FROM_BYTES = 1024;
const PNG_SIDE = 32;

/** The text of `examples/requests.jsonl`; the same at every call. */
export function makeRequests(): string {
  const chats = SIZES.map((bytes, index) => {
    const provider =
      PROVIDER_NAMES[(index + Math.floor(index / PROVIDER_NAMES.length)) % PROVIDER_NAMES.length];
    return { ...namesOf(provider ?? "openai", `${index + 1}`), body: chatOf(bytes, index) };
  });
  const picture = {
    ...namesOf("openai", "picture"),
    content_type: "image/png",
    body_base64: makePng(PNG_SIDE).toString("base64"),
  };
  return [...chats, picture].map((line) => `${JSON.stringify(line)}\n`).join("");
}

function namesOf(provider: ProviderName, suffix: string) {
  return { id: `${provider}-${suffix}`, provider, model: MODELS[provider], intent: "chat" };
}

/** A chat whose JSON is exactly so long. */
function chatOf(bytes: number, index: number): Chat {
  const withoutWords = Buffer.byteLength(JSON.stringify(chatWith("", bytes, index)));
  return chatWith(overridesOf(bytes - withoutWords, index), bytes, index);
}

function chatWith(words: string, bytes: number, index: number): Chat {
  if (bytes < DATA_FROM_BYTES) return { messages: [{ role: "user", content: words }], max_tokens: 512 };
  const parts: Part[] = [
    { type: "text", text: "Summarize what follows in one sentence." },
    { type: "data", data: dataOf(index) },
    { type: "text", text: words },
  ];
  return {
    messages: [
      { role: "system", content: "Answer in the language of the last sentence." },
      { role: "user", content: "Grüezi! 👋" },
      { role: "assistant", content: "Grüezi. Was darf es sein?" },
      { role: "user", content: parts },
    ],
    max_tokens: 512,
  };
}

/** Nested JSON with everything that JSON has. */
function dataOf(index: number): unknown {
  return {
    station: { näme: "Zürich/Kloten", position: [47.4647, 8.5492, 431], open: true, closed_by: null },
    readings: [1, 2, 3].map((hour) => ({ hour, celsius: (index - 12) * 1.5 + hour, tags: ["α", "β", []] })),
  };
}
