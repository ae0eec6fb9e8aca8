import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { targetAt } from "../../test/targets.ts";
import type { Chat } from "../chat.ts";
import { callProvider } from "../gateway/call-provider.ts";
import { PROVIDER_APIS, PROVIDER_NAMES, type ProviderName, standInUrl } from "../providers.ts";
import { type StandIn, startStandIn } from "./start-stand-in.ts";
import { standInText, transcriptOf } from "./transcript.ts";

let standIn: StandIn;
beforeAll(async () => {
  standIn = await startStandIn(0);
});
afterAll(() => standIn?.[Symbol.asyncDispose]());

const never = new AbortController().signal;
const CHATS: Readonly<Record<string, Chat>> = {
  "a single message": { messages: [{ role: "user", content: "Grüß Gott 👋🏽 ѻ" }] },
  "system messages, turns and limits": {
    messages: [
      { role: "system", content: "Be short." },
      { role: "user", content: "What is 6 times 7?" },
      { role: "assistant", content: "42" },
      { role: "system", content: [{ type: "data", data: { tone: "kind" } }] },
      { role: "user", content: "And 7 times 6?" },
    ],
    max_tokens: 64,
    temperature: 0.5,
  },
  "data and a picture": {
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "Read this." },
          { type: "data", data: { nested: [{ ключ: [1, null, true] }] } },
          { type: "image", media_type: "image/png", data: "iVBORw0KGgo=" },
        ],
      },
    ],
  },
};

describe.each(PROVIDER_NAMES)("%s", (provider) => {
  const ask = (chat: Chat, model = "a-model") =>
    callProvider(targetAt(standInUrl(standIn.url, provider), provider), {
      ...{ chat, model, requestId: "0189dcd5-1111-4222-8333-444455556666", signal: never },
    });

  test.each(Object.entries(CHATS))(
    "gets %s whole, in its own shape, and its answer is read",
    async (_case, chat) => {
      expect(await ask(chat)).toEqual({
        text: standInText(provider, "a-model", transcriptOf(chat)),
        finish: { anthropic: "end_turn", google: "STOP" }[provider as string] ?? "stop",
        tokens: { input: expect.any(Number), output: expect.any(Number) },
      });
    },
  );

  test("gets a model's name that must be escaped in a path", async () => {
    expect((await ask(CHATS["a single message"] as Chat, "family/model:1@2")).text).toContain(
      "family/model:1@2",
    );
  });

  test("answers differently when one byte, one role or one boundary between messages differs", async () => {
    const variants: Chat[] = [
      { messages: [{ role: "user", content: "ab" }] },
      { messages: [{ role: "user", content: "aB" }] },
      {
        messages: [
          { role: "system", content: "ab" },
          { role: "user", content: "ab" },
        ],
      },
      {
        messages: [
          { role: "user", content: "a" },
          { role: "user", content: "b" },
        ],
      },
      {
        messages: [
          { role: "user", content: "a" },
          { role: "assistant", content: "b" },
        ],
      },
    ];
    const texts = await Promise.all(variants.map((chat) => ask(chat)));
    expect(new Set(texts.map(({ text }) => text)).size).toBe(variants.length);
  });
});

/** A valid request to each API; each case below changes one thing. */
const GOOD = {
  openai: {
    path: "/chat/completions",
    headers: { authorization: "Bearer k" },
    body: { model: "m", messages: [{ role: "user", content: "hi" }] },
  },
  perplexity: {
    path: "/chat/completions",
    headers: { authorization: "Bearer k" },
    body: { model: "m", messages: [{ role: "user", content: "hi" }] },
  },
  anthropic: {
    path: "/messages",
    headers: { "x-api-key": "k", "anthropic-version": "2023-06-01" },
    body: { model: "m", max_tokens: 1, messages: [{ role: "user", content: "hi" }] },
  },
  google: {
    path: "/models/m:generateContent",
    headers: { "x-goog-api-key": "k" },
    body: { contents: [{ role: "user", parts: [{ text: "hi" }] }] },
  },
} as const;
type Api = keyof typeof GOOD;

interface Spoilt {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

async function post(api: Api, { method = "POST", ...spoilt }: Spoilt) {
  const { path, headers, body } = { ...GOOD[api], ...spoilt };
  const init = {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(method === "POST" && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  };
  const response = await fetch(`${standInUrl(standIn.url, api)}${path}`, init);
  return { status: response.status, body: await response.json() };
}

const openaiError = (code: string | null = null) => ({
  error: { message: expect.any(String), type: "invalid_request_error", param: null, code },
});
const anthropicError = (type: string) => ({ type: "error", error: { type, message: expect.any(String) } });
const googleError = (code: number, status: string) => ({
  error: { code, message: expect.any(String), status },
});
const system = { role: "system", content: "be kind" };

const REFUSED: readonly [string, Api, Spoilt, number, unknown][] = [
  ["no key", "openai", { headers: {} }, 401, openaiError()],
  ["a key without Bearer", "openai", { headers: { authorization: "k" } }, 401, openaiError()],
  ["no messages", "openai", { body: { model: "m" } }, 400, openaiError()],
  ["no model", "openai", { body: { messages: GOOD.openai.body.messages } }, 400, openaiError()],
  ["an unknown member", "openai", { body: { ...GOOD.openai.body, top_k: 1 } }, 400, openaiError()],
  ["broken JSON", "openai", { body: "{" }, 400, openaiError()],
  ["another path", "openai", { path: "/completions" }, 404, openaiError("unknown_url")],
  ["another method", "openai", { method: "GET" }, 404, openaiError("unknown_url")],
  [
    "OpenAI's newer limit",
    "perplexity",
    { body: { ...GOOD.perplexity.body, max_completion_tokens: 9 } },
    400,
    openaiError(),
  ],
  [
    "no key",
    "anthropic",
    { headers: { "anthropic-version": "2023-06-01" } },
    401,
    anthropicError("authentication_error"),
  ],
  [
    "a bearer's key",
    "anthropic",
    { headers: { authorization: "Bearer k" } },
    401,
    anthropicError("authentication_error"),
  ],
  [
    "no version",
    "anthropic",
    { headers: { "x-api-key": "k" } },
    400,
    anthropicError("invalid_request_error"),
  ],
  [
    "no limit",
    "anthropic",
    { body: { model: "m", messages: GOOD.anthropic.body.messages } },
    400,
    anthropicError("invalid_request_error"),
  ],
  [
    "a system message among the others",
    "anthropic",
    { body: { ...GOOD.anthropic.body, messages: [system] } },
    400,
    anthropicError("invalid_request_error"),
  ],
  [
    "a temperature above 1",
    "anthropic",
    { body: { ...GOOD.anthropic.body, temperature: 1.5 } },
    400,
    anthropicError("invalid_request_error"),
  ],
  ["another path", "anthropic", { path: "/complete" }, 404, anthropicError("not_found_error")],
  ["no key", "google", { headers: {} }, 403, googleError(403, "PERMISSION_DENIED")],
  ["OpenAI's form", "google", { body: GOOD.openai.body }, 400, googleError(400, "INVALID_ARGUMENT")],
  [
    "a role of OpenAI's",
    "google",
    { body: { contents: [{ role: "assistant", parts: [{ text: "hi" }] }] } },
    400,
    googleError(400, "INVALID_ARGUMENT"),
  ],
  ["no contents", "google", { body: { contents: [] } }, 400, googleError(400, "INVALID_ARGUMENT")],
  [
    "another method of the model",
    "google",
    { path: "/models/m:embedContent" },
    404,
    googleError(404, "NOT_FOUND"),
  ],
];

describe("a request that the real API refuses is refused, in the API's own form:", () => {
  test.each(Object.keys(GOOD) as Api[])("%s accepts the request that the cases below change", async (api) => {
    expect(await post(api, {})).toMatchObject({ status: 200 });
  });

  test.each(REFUSED)("%s (%s)", async (_case, api, spoilt, status, error) => {
    expect(await post(api, spoilt)).toEqual({ status, body: error });
  });
});

test("each provider's stand-in has the path of its real API, below its name", () => {
  const paths = PROVIDER_NAMES.map((provider: ProviderName) => standInUrl("http://127.0.0.1:1/", provider));
  expect(paths).toEqual([
    "http://127.0.0.1:1/openai/v1",
    "http://127.0.0.1:1/anthropic/v1",
    "http://127.0.0.1:1/google/v1beta",
    "http://127.0.0.1:1/groq/openai/v1",
    "http://127.0.0.1:1/perplexity",
    "http://127.0.0.1:1/xai/v1",
  ]);
  expect(PROVIDER_APIS.perplexity.baseUrl).toBe("https://api.perplexity.ai");
});
