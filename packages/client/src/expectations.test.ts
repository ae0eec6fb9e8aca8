import { describe, expect, test } from "vitest";
import { checkExpectations, type Expectations, judge } from "./expectations.ts";

const HASH = `sha256:${"a".repeat(64)}`;
const ANSWER = { body: Buffer.from("{}"), contentType: "application/json; charset=utf-8", schemaHash: HASH };
const EMPTY = { ...ANSWER, body: new Uint8Array(0) };
const fails = (): boolean => {
  throw new Error("no JSON");
};

describe("an answer is", () => {
  test.each<[string, string, Expectations, typeof EMPTY, number]>([
    ["ok", "nothing more is expected", {}, ANSWER, 1e6],
    ["ok", "all of it holds", { contentType: "Application/JSON", schemaHash: HASH, bytesMax: 2 }, ANSWER, 1],
    ["ok", "the type's parameters do", { contentType: "application/json;charset=UTF-8" }, ANSWER, 1],
    ["ok", "it may be empty", { bytesMin: 0 }, EMPTY, 1],
    ["ok", "it is just in time", { withinMs: 10 }, ANSWER, 10],
    ["ok", "its caller finds it good", { check: ({ body }) => body.length === 2 }, ANSWER, 1],
    ["empty", "it has no body", {}, EMPTY, 1],
    ["size", "it is too large", { bytesMax: 1 }, ANSWER, 1],
    ["size", "it is too small", { bytesMin: 3 }, ANSWER, 1],
    ["media_type", "it is of another type", { contentType: "text/html" }, ANSWER, 1],
    ["media_type", "a parameter is another", { contentType: "application/json;charset=latin1" }, ANSWER, 1],
    ["schema", "its header names another one", { schemaHash: HASH.replace("a", "b") }, ANSWER, 1],
    ["schema", "its caller does not find it good", { check: () => false }, ANSWER, 1],
    ["schema", "its caller cannot even look at it", { check: fails }, ANSWER, 1],
    ["latency", "it is late", { withinMs: 10 }, ANSWER, 11],
  ])("%s when %s", (result, _when, expectations, answer, latencyMs) => {
    expect(judge(answer, latencyMs, expectations)).toBe(result);
  });
});

test.each<[Expectations]>([
  [{ bytesMin: -1 }],
  [{ bytesMin: 0.5 }],
  [{ bytesMax: 0 }],
  [{ bytesMin: 3, bytesMax: 2 }],
  [{ withinMs: 0 }],
  [{ withinMs: Number.NaN }],
])("%j cannot be expected", (expectations) => {
  expect(() => checkExpectations(expectations)).toThrow(
    expect.objectContaining({ code: "BAD_REQUEST", message: expect.stringMatching(/^expects: /) }),
  );
});
