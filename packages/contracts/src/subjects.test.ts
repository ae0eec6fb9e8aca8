import { describe, expect, it } from "vitest";
import { isName, MODEL_PATTERN, REQUEST_ID_PATTERN } from "./names.ts";
import {
  namesIn,
  patternOf,
  SUBJECT_TOKENS,
  SUBJECTS,
  type SubjectKind,
  subjectOf,
  tokensIn,
} from "./subjects.ts";

const NOT_NAMES = ["", "*", ">", "a.b", "OpenAI", "-a", "_a", "a b", "a\n", "é", "a".repeat(65), "__proto__"];

describe("a name", () => {
  it.each(["a", "0", "openai", "x-ai_2", "a".repeat(64)])("can be %s", (name) => {
    expect(isName(name)).toBe(true);
  });

  it.each(NOT_NAMES)("cannot be %j", (name) => {
    expect(isName(name)).toBe(false);
  });
});

const NAMES = { user: "orchestrator", provider: "openai", intent: "chat" };
const KINDS = Object.keys(SUBJECTS) as SubjectKind[];

describe("a subject", () => {
  it("carries its names behind its base, and they are read back", () => {
    expect(subjectOf("request", NAMES)).toBe("scbe.v1.request.orchestrator.openai");
    expect(subjectOf("sealRequest", NAMES)).toBe("scbe.v1.envelope.seal.request.orchestrator.openai.chat");
    for (const kind of KINDS) {
      const carried = Object.fromEntries(tokensIn(kind).map((token) => [token, NAMES[token]]));
      expect([kind, namesIn(kind, subjectOf(kind, NAMES))]).toEqual([kind, carried]);
    }
  });

  it.each(NOT_NAMES)("is not made for %j, which would widen it", (name) => {
    for (const token of SUBJECT_TOKENS) {
      expect(() => subjectOf("sealRequest", { ...NAMES, [token]: name })).toThrow(RangeError);
      expect(() => patternOf("sealRequest", { [token]: name })).toThrow(RangeError);
    }
  });

  it("is not made without one of its names", () => {
    expect(() => subjectOf("request", { provider: "openai" })).toThrow(RangeError);
  });

  it("has `*` for each name that its pattern leaves open", () => {
    expect(patternOf("request", { provider: "openai" })).toBe("scbe.v1.request.*.openai");
    expect(patternOf("sealRequest", { user: "a" })).toBe("scbe.v1.envelope.seal.request.a.*.*");
    expect(patternOf("ring")).toBe("scbe.v1.keyring.ring");
  });

  it.each([
    ["another kind", "scbe.v1.fallback.orchestrator.openai"],
    ["no names", "scbe.v1.request"],
    ["an empty user", "scbe.v1.request..openai"],
    ["an empty provider", "scbe.v1.request.orchestrator."],
    ["a token too few", "scbe.v1.request.openai"],
    ["a token too many", "scbe.v1.request.orchestrator.openai.more"],
    ["a wildcard", "scbe.v1.request.*.openai"],
    ["a prefix that is longer", "scbe.v1.requests.orchestrator.openai"],
    ["something in front", "x.scbe.v1.request.orchestrator.openai"],
  ])("with %s has no names", (_name, subject) => {
    expect(namesIn("request", subject)).toBeUndefined();
  });

  it("is unique: the patterns of two kinds have no subject in common", () => {
    const overlap = (a: string, b: string): boolean => {
      const [one, other] = [a.split("."), b.split(".")];
      if (one.length !== other.length) return false;
      return one.every((part, at) => part === "*" || other[at] === "*" || part === other[at]);
    };
    const pairs = KINDS.flatMap((one, at) => KINDS.slice(at + 1).map((other) => [one, other] as const));
    expect(pairs.filter(([one, other]) => overlap(patternOf(one), patternOf(other)))).toEqual([]);
  });
});

describe("patterns", () => {
  it("accept a model and a request id, but no line end after them", () => {
    expect(MODEL_PATTERN.test("gpt-4.1-mini")).toBe(true);
    expect(MODEL_PATTERN.test("gpt\n")).toBe(false);
    expect(REQUEST_ID_PATTERN.test("0190f5fe-3d2a-7c3e-9b1f-0a1b2c3d4e5f")).toBe(true);
    expect(REQUEST_ID_PATTERN.test("0190F5FE-3D2A-7C3E-9B1F-0A1B2C3D4E5F")).toBe(false);
  });
});
