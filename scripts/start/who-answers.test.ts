import { expect, test } from "vitest";
import { whoAnswers } from "./who-answers.ts";

test.each([
  [
    "without keys, the stand-in for all",
    { OPENAI_API_KEY: "" },
    "there is no key: a local stand-in answers for openai, anthropic, google, groq, perplexity, xai",
  ],
  [
    "with keys, the real APIs for those",
    { OPENAI_API_KEY: "k", GOOGLE_API_KEY_FILE: "/k" },
    "there is a key: the real API answers for openai, google; there is no key: a local stand-in answers for anthropic, groq, perplexity, xai",
  ],
  [
    "with another address, whoever is there, key or not",
    { OPENAI_API_KEY: "k", SCBE_PROVIDER_URL_OPENAI: "http://127.0.0.1:1" },
    "SCBE_PROVIDER_URL_* says who answers for openai; there is no key: a local stand-in answers for anthropic, google, groq, perplexity, xai",
  ],
])("who answers is said: %s", (_case, own, text) => {
  expect(whoAnswers(own)).toBe(text);
});
