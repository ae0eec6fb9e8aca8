import { describe, expect, test } from "vitest";
import { type CandidatesOptions, resolveCandidates } from "./options.ts";

const content = { intent: "chat", body: Buffer.from("x") };

test("each candidate gets its own model, or the request's", () => {
  const providers = ["openai", { provider: "anthropic", model: "claude" }, { provider: "xai" }];
  expect(resolveCandidates({ ...content, model: "gpt-5", providers }).candidates).toEqual([
    { ...content, provider: "openai", model: "gpt-5" },
    { ...content, provider: "anthropic", model: "claude" },
    { ...content, provider: "xai", model: "gpt-5" },
  ]);
});

test("one provider gets the request unchanged, and one attempt", () => {
  const options = { ...content, provider: "openai", model: "gpt-5" };
  expect(resolveCandidates(options)).toEqual({ candidates: [options], isOfOne: true, attemptsMax: 1 });
});

describe("a BAD_REQUEST is", () => {
  test.each<[string, object]>([
    ["no candidate", { providers: [] }],
    ["candidates that are not a list", { providers: "openai" }],
    ["more than 16", { providers: Array.from({ length: 17 }, () => "openai") }],
    ["a candidate without a model", { model: undefined }],
    ["a provider beside them", { provider: "openai" }],
    ["an attempt timeout of 0", { attemptTimeoutMs: 0 }],
    ["an attempt timeout of NaN", { attemptTimeoutMs: Number.NaN }],
    ["no attempt", { attemptsMax: 0 }],
    ["half an attempt", { attemptsMax: 1.5 }],
    ["17 attempts", { attemptsMax: 17 }],
  ])("%s", (_case, change) => {
    const options = { ...content, model: "gpt-5", providers: ["openai", "anthropic"], ...change };
    expect(() => resolveCandidates(options as CandidatesOptions)).toThrow(
      expect.objectContaining({ name: "ScbeError", code: "BAD_REQUEST" }),
    );
  });
});
