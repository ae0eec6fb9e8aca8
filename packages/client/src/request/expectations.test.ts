import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { replies } from "../../test/replies.ts";
import type { Arrived } from "../../test/scripted-gateway.ts";
import { failureOf, REQUEST, summaryOf, TrustFixture } from "../../test/trust-fixture.ts";
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
    ["ok", "nothing is checked", {}, ANSWER, 1e6],
    [
      "ok",
      "every check passes",
      { contentType: "Application/JSON", schemaHash: HASH, bytesMax: 2 },
      ANSWER,
      1,
    ],
    ["ok", "the media type's parameters match", { contentType: "application/json;charset=UTF-8" }, ANSWER, 1],
    ["ok", "an empty body is allowed", { bytesMin: 0 }, EMPTY, 1],
    ["ok", "it is exactly in time", { withinMs: 10 }, ANSWER, 10],
    ["ok", "`check` returns true", { check: ({ body }) => body.length === 2 }, ANSWER, 1],
    ["empty", "it has no body", {}, EMPTY, 1],
    ["size", "it is too large", { bytesMax: 1 }, ANSWER, 1],
    ["size", "it is too small", { bytesMin: 3 }, ANSWER, 1],
    ["media_type", "its media type differs", { contentType: "text/html" }, ANSWER, 1],
    ["media_type", "a parameter differs", { contentType: "application/json;charset=latin1" }, ANSWER, 1],
    ["schema", "its header names another schema", { schemaHash: HASH.replace("a", "b") }, ANSWER, 1],
    ["schema", "`check` returns false", { check: () => false }, ANSWER, 1],
    ["schema", "`check` throws", { check: fails }, ANSWER, 1],
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

/** Requests with expectations: an answer that fails them counts against its provider. */
let fixture: TrustFixture;
beforeAll(async () => {
  fixture = await TrustFixture.start();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());
beforeEach(() => fixture.reset());

function request(expects: Expectations, change: Partial<RequestOptions> = {}) {
  return fixture.client.request({ ...REQUEST, provider: "openai", expects, ...change });
}

function candidates(expects: Expectations, change: Partial<CandidatesOptions> = {}) {
  const providers = ["openai", "anthropic"];
  return fixture.client.request({ ...REQUEST, providers, expects, ...change } as CandidatesOptions);
}

const CASES: readonly [string, string, Expectations][] = [
  ["empty", "", {}],
  ["size", "of openai, and more", { bytesMax: 12 }],
  ["media_type", "of openai", { contentType: "application/pdf" }],
  ["schema", "of openai", { schemaHash: HASH }],
  ["schema", "of openai", { check: ({ body }) => Buffer.from(body).toString() === "of anthropic" }],
];

describe("an answer that is not as expected", () => {
  test.each(CASES)("is BAD_ANSWER, and reported as %s", async (result, text, expects) => {
    fixture.openai.reset(({ answer }) => answer(text));
    const events = await fixture.eventsDuring(async () => {
      const error = await failureOf(request(expects));
      expect(error.code).toBe("BAD_ANSWER");
      expect(error.message).toContain(result);
    });
    expect(events.map(summaryOf)).toEqual([`openai ${result}`]);
  });

  test("makes the next candidate serve", async () => {
    fixture.openai.reset(({ answer }) => answer(""));
    const events = await fixture.eventsDuring(async () => {
      const { provider, passedOver } = await candidates({ bytesMax: 100 });
      expect(provider).toBe("anthropic");
      expect(passedOver).toEqual([{ provider: "openai", model: "gpt-5", code: "BAD_ANSWER", envelopes: 1 }]);
    });
    expect(events.map(summaryOf)).toEqual(["openai empty", "anthropic ok 1"]);
  });

  test("of every candidate is BAD_ANSWER", async () => {
    expect(await failureOf(candidates({ bytesMin: 1000 }))).toMatchObject({ code: "BAD_ANSWER" });
  });
});

test("an answer that is later than usual and than expected is returned, and reported", async () => {
  await Promise.all(Array.from({ length: 30 }, () => request({})));
  fixture.openai.reset((arrived) => {
    replies.accepted(arrived);
    setTimeout(() => arrived.answer("late"), 400);
  });
  const events = await fixture.eventsDuring(async () => {
    const { body, provider } = await candidates({ withinMs: 300 });
    expect([Buffer.from(body).toString(), provider]).toEqual(["late", "openai"]);
  });
  expect(events.map(summaryOf)).toEqual(["openai latency"]);
});

test("the time of an answer starts when its own envelope is sent", async () => {
  const silent = 5;
  fixture.openai.reset((arrived: Arrived, nth) => (nth <= silent ? undefined : arrived.answer("ok")));
  const events = await fixture.eventsDuring(() => request({ withinMs: 1800 }));
  expect(events.map(summaryOf)).toEqual(["openai ok 1"]);
});

test("an answer that meets the expectations is returned, and reported as ok", async () => {
  const expects = {
    contentType: "application/json",
    schemaHash: "none",
    bytesMin: 9,
    bytesMax: 9,
    withinMs: 20_000,
  };
  const events = await fixture.eventsDuring(async () => {
    expect(Buffer.from((await request(expects)).body).toString()).toBe("of openai");
  });
  expect(events.map(summaryOf)).toEqual(["openai ok 1"]);
});

test("without expectations every verified answer is ok, even an empty one", async () => {
  fixture.openai.reset(({ answer }) => answer(""));
  const events = await fixture.eventsDuring(() => fixture.client.request({ ...REQUEST, provider: "openai" }));
  expect(events.map(summaryOf)).toEqual(["openai ok 1"]);
});

test("expectations do not apply to a problem of the handler", async () => {
  fixture.openai.reset(replies.problem("HANDLER_FAILED"));
  const events = await fixture.eventsDuring(async () =>
    expect(await failureOf(request({ contentType: "text/html", bytesMax: 1 }))).toMatchObject({
      code: "HANDLER_FAILED",
    }),
  );
  expect(events.map(summaryOf)).toEqual(["openai provider_error"]);
});

test.each<[Expectations]>([[{ bytesMin: -1 }], [{ bytesMax: 0 }], [{ withinMs: 0 }]])(
  "%j is BAD_REQUEST, and nothing is sent or reported",
  async (expects) => {
    const events = await fixture.eventsDuring(async () => {
      expect(await failureOf(request(expects))).toMatchObject({ code: "BAD_REQUEST" });
      expect(await failureOf(candidates(expects))).toMatchObject({ code: "BAD_REQUEST" });
      expect(fixture.openai.arrived).toHaveLength(0);
    });
    expect(events.map(summaryOf)).toEqual([]);
  },
);
