import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Arrived } from "../../test/scripted-gateway.ts";
import { says } from "../../test/scripts.ts";
import { ASKED, failureOf, saying, TrustStage } from "../../test/trust-stage.ts";
import type { CandidatesOptions, RequestOptions } from "../index.ts";
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

/** What a caller expects of an answer: one that is not so speaks against its provider. */
let stage: TrustStage;
beforeAll(async () => {
  stage = await TrustStage.start();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
beforeEach(() => stage.reset());

function request(expects: Expectations, change: Partial<RequestOptions> = {}) {
  return stage.client.request({ ...ASKED, provider: "openai", expects, ...change });
}

function candidates(expects: Expectations, change: Partial<CandidatesOptions> = {}) {
  const providers = ["openai", "anthropic"];
  return stage.client.request({ ...ASKED, providers, expects, ...change } as CandidatesOptions);
}

const CASES: readonly [string, string, Expectations][] = [
  ["empty", "", {}],
  ["size", "of openai, and more", { bytesMax: 12 }],
  ["media_type", "of openai", { contentType: "application/pdf" }],
  ["schema", "of openai", { schemaHash: HASH }],
  ["schema", "of openai", { check: ({ body }) => Buffer.from(body).toString() === "of anthropic" }],
];

describe("an answer that is not as expected", () => {
  test.each(CASES)("is BAD_ANSWER, and told as %s", async (result, text, expects) => {
    stage.openai.reset(({ answer }) => answer(text));
    const events = await stage.told(async () => {
      const error = await failureOf(request(expects));
      expect(error.code).toBe("BAD_ANSWER");
      expect(error.message).toContain(result);
    });
    expect(events.map(saying)).toEqual([`openai ${result}`]);
  });

  test("has the next candidate asked, which serves", async () => {
    stage.openai.reset(({ answer }) => answer(""));
    const events = await stage.told(async () => {
      const { provider, passedOver } = await candidates({ bytesMax: 100 });
      expect(provider).toBe("anthropic");
      expect(passedOver).toEqual([{ provider: "openai", model: "gpt-5", code: "BAD_ANSWER", envelopes: 1 }]);
    });
    expect(events.map(saying)).toEqual(["openai empty", "anthropic ok 1"]);
  });

  test("of every candidate is BAD_ANSWER", async () => {
    expect(await failureOf(candidates({ bytesMin: 1000 }))).toMatchObject({ code: "BAD_ANSWER" });
  });
});

test("an answer that is later than the provider usually is, and than expected, is used, and told all the same", async () => {
  await Promise.all(Array.from({ length: 30 }, () => request({})));
  stage.openai.reset((arrived) => {
    says.accepted(arrived);
    setTimeout(() => arrived.answer("late"), 400);
  });
  const events = await stage.told(async () => {
    const { body, provider } = await candidates({ withinMs: 300 });
    expect([Buffer.from(body).toString(), provider]).toEqual(["late", "openai"]);
  });
  expect(events.map(saying)).toEqual(["openai latency"]);
});

test("the time of an answer begins with the sending of the envelope that it answers", async () => {
  const silent = 5;
  stage.openai.reset((arrived: Arrived, nth) => (nth <= silent ? undefined : arrived.answer("ok")));
  const events = await stage.told(() => request({ withinMs: 1800 }));
  expect(events.map(saying)).toEqual(["openai ok 1"]);
});

test("an answer that is as expected is given, and told as ok", async () => {
  const expects = {
    contentType: "application/json",
    schemaHash: "none",
    bytesMin: 9,
    bytesMax: 9,
    withinMs: 20_000,
  };
  const events = await stage.told(async () => {
    expect(Buffer.from((await request(expects)).body).toString()).toBe("of openai");
  });
  expect(events.map(saying)).toEqual(["openai ok 1"]);
});

test("without expectations every answer that verifies is good, an empty one too", async () => {
  stage.openai.reset(({ answer }) => answer(""));
  const events = await stage.told(() => stage.client.request({ ...ASKED, provider: "openai" }));
  expect(events.map(saying)).toEqual(["openai ok 1"]);
});

test("what a handler says of its failure is not judged", async () => {
  stage.openai.reset(says.problem("HANDLER_FAILED"));
  const events = await stage.told(async () =>
    expect(await failureOf(request({ contentType: "text/html", bytesMax: 1 }))).toMatchObject({
      code: "HANDLER_FAILED",
    }),
  );
  expect(events.map(saying)).toEqual(["openai provider_error"]);
});

test.each<[Expectations]>([[{ bytesMin: -1 }], [{ bytesMax: 0 }], [{ withinMs: 0 }]])(
  "%j is BAD_REQUEST, and nothing is sent or told",
  async (expects) => {
    const events = await stage.told(async () => {
      expect(await failureOf(request(expects))).toMatchObject({ code: "BAD_REQUEST" });
      expect(await failureOf(candidates(expects))).toMatchObject({ code: "BAD_REQUEST" });
      expect(stage.openai.arrived).toHaveLength(0);
    });
    expect(events.map(saying)).toEqual([]);
  },
);
