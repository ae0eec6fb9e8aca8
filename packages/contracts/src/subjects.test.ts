import { describe, expect, it } from "vitest";
import { isName, MODEL_PATTERN, REQUEST_ID_PATTERN } from "./names.ts";
import { type ProviderSubject, providerOf, SUBJECTS, subjectFor } from "./subjects.ts";

const NOT_NAMES = ["", "*", ">", "a.b", "OpenAI", "-a", "_a", "a b", "a\n", "é", "a".repeat(65), "__proto__"];

describe("a name", () => {
  it.each(["a", "0", "openai", "x-ai_2", "a".repeat(64)])("may be %s", (name) => {
    expect(isName(name)).toBe(true);
  });

  it.each(NOT_NAMES)("may not be %j", (name) => {
    expect(isName(name)).toBe(false);
  });
});

describe("a subject", () => {
  it("ends in its provider, which can be read from it again", () => {
    expect(subjectFor("request", "openai")).toBe("scbe.v1.request.openai");
    for (const kind of Object.keys(SUBJECTS) as ProviderSubject[]) {
      expect(providerOf(kind, subjectFor(kind, "openai"))).toBe("openai");
    }
  });

  it.each(NOT_NAMES)("is not made for %j, which could widen it", (name) => {
    expect(() => subjectFor("request", name)).toThrow(RangeError);
  });

  it.each([
    ["another kind", "scbe.v1.cancel.openai"],
    ["no provider", "scbe.v1.request"],
    ["an empty provider", "scbe.v1.request."],
    ["a token too many", "scbe.v1.request.openai.more"],
    ["a wildcard", "scbe.v1.request.*"],
    ["a prefix that is longer", "scbe.v1.requests.openai"],
    ["something in front", "x.scbe.v1.request.openai"],
  ])("with %s has no provider", (_name, subject) => {
    expect(providerOf("request", subject)).toBeUndefined();
  });

  it("stands once: no two kinds share one, and none but epoch and its question is another's beginning", () => {
    const all = Object.values(SUBJECTS);
    expect(new Set(all).size).toBe(all.length);
    const within = all.flatMap((one) => all.filter((other) => other.startsWith(`${one}.`)));
    expect(within).toEqual([SUBJECTS.epochGet]);
  });
});

describe("patterns", () => {
  it("accept a model's name and a request's id, and no line's end after them", () => {
    expect(MODEL_PATTERN.test("gpt-4.1-mini")).toBe(true);
    expect(MODEL_PATTERN.test("gpt\n")).toBe(false);
    expect(REQUEST_ID_PATTERN.test("0190f5fe-3d2a-7c3e-9b1f-0a1b2c3d4e5f")).toBe(true);
    expect(REQUEST_ID_PATTERN.test("0190F5FE-3D2A-7C3E-9B1F-0A1B2C3D4E5F")).toBe(false);
  });
});
