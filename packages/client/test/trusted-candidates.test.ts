import { randomUUID } from "node:crypto";
import { type ProviderTrust, type ScbeError, trustLabel } from "@scbe/contracts";
import { isInside } from "@scbe/envelope/control";
import { excluded, latched, onProbation, out, ownLatch, toldBy } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CandidatesOptions } from "../src/index.ts";
import { says } from "./scripts.ts";
import { ASKED, failureOf, saying, TrustStage } from "./trust-stage.ts";

/** Whom a request is asked of, by what is known of them when it begins. */
let stage: TrustStage;
beforeAll(async () => {
  stage = await TrustStage.start();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
beforeEach(() => stage.reset());

const ALL = ["openai", "anthropic", "xai"];
const distrusted = (provider: string) => ({ provider, model: "gpt-5", code: "DISTRUSTED", envelopes: 0 });

function request(change: Partial<CandidatesOptions> = {}) {
  return stage.client.request({ ...ASKED, providers: ALL, ...change } as CandidatesOptions);
}

/** Who was sent anything, one after the other. */
function asked(): string[] {
  return [stage.openai, stage.anthropic, stage.xai]
    .flatMap(({ arrived }) => arrived)
    .toSorted((one, other) => one.atMs - other.atMs)
    .map(({ header }) => header.provider);
}

function codesIn({ cause }: ScbeError): string[] {
  return (cause as AggregateError).errors.map(({ code }: ScbeError) => code);
}

describe("one that is excluded for its quality", () => {
  test("comes after all others, and is told as passed over", async () => {
    await stage.speak({ openai: excluded() });
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [distrusted("openai")] });
    expect(asked()).toEqual(["anthropic"]);
  });

  test("is not told as passed over where whoever served came before it anyway", async () => {
    await stage.speak({ anthropic: excluded(), xai: excluded() });
    expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
  });

  test("serves when nobody else does", async () => {
    stage.anthropic.reset(says.noise);
    stage.xai.reset(says.problem("HANDLER_FAILED"));
    await stage.speak({ openai: excluded() });
    const { provider, passedOver } = await request();
    expect([provider, ...passedOver.map((it) => [it.provider, it.code])]).toEqual([
      "openai",
      ["anthropic", "REFUSED"],
      ["xai", "HANDLER_FAILED"],
    ]);
    expect(asked()).toEqual(["anthropic", "xai", "openai"]);
  });

  test("serves alone, and where all are, in the caller's order", async () => {
    const out = excluded();
    await stage.speak({ openai: out, anthropic: out, xai: out });
    expect(await stage.client.request({ ...ASKED, provider: "openai" })).toMatchObject({ passedOver: [] });
    expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
    stage.anthropic.reset(says.problem("HANDLER_FAILED"));
    const answer = await request({ providers: ["anthropic", "xai", "openai"] });
    expect(answer).toMatchObject({ provider: "xai", passedOver: [{ code: "HANDLER_FAILED" }] });
  });

  test("is told in the order of the request among those that were asked", async () => {
    for (const it of [stage.openai, stage.anthropic]) it.reset(says.problem("HANDLER_FAILED"));
    await stage.speak({ openai: excluded(), xai: excluded() });
    const { provider, passedOver } = await request();
    expect([provider, ...passedOver.map((it) => it.provider)]).toEqual(["xai", "openai", "anthropic"]);
    expect(asked()).toEqual(["anthropic", "openai", "xai"]);
  });

  test("is not asked beyond the budget of others, and is told so", async () => {
    for (const it of [stage.anthropic, stage.xai]) it.reset(says.problem("HANDLER_FAILED"));
    await stage.speak({ openai: excluded() });
    const error = await failureOf(request({ attemptsMax: 2 }));
    expect([error.code, codesIn(error)]).toEqual(["HANDLER_FAILED", ["HANDLER_FAILED", "HANDLER_FAILED"]]);
    expect(asked()).toEqual(["anthropic", "xai"]);
  });

  test("has all that is left of the time, as the last one", async () => {
    for (const it of [stage.anthropic, stage.xai]) it.reset(says.accepted);
    await stage.speak({ openai: excluded() });
    expect(await request({ attemptTimeoutMs: 300 })).toMatchObject({ provider: "openai" });
    const [first, second, last] = [stage.anthropic, stage.xai, stage.openai].map(({ arrived }) =>
      Number(arrived[0]?.timeoutMs),
    );
    expect([first, second]).toEqual([expect.toSatisfy(isShort), expect.toSatisfy(isShort)]);
    expect(last).toBeGreaterThan(1000);
  });
});

const isShort = (ms: number): boolean => ms > 0 && ms <= 300;

describe("one whose integrity is in doubt", () => {
  test("is never asked, and the next one serves", async () => {
    await stage.speak({ openai: latched() });
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [distrusted("openai")] });
    expect(asked()).toEqual(["anthropic"]);
  });

  test("is not asked either when all others fail, whose error it does not hide", async () => {
    for (const it of [stage.anthropic, stage.xai]) it.reset(says.problem("HANDLER_FAILED"));
    await stage.speak({ openai: latched() });
    const error = await failureOf(request());
    expect(error.code).toBe("HANDLER_FAILED");
    expect(codesIn(error)).toEqual(["HANDLER_FAILED", "HANDLER_FAILED", "DISTRUSTED"]);
    expect(asked()).toEqual(["anthropic", "xai"]);
  });

  test("is DISTRUSTED where there is no other, and nothing is sent or told", async () => {
    const events = await stage.told(async () => {
      await stage.speak({ openai: latched(), anthropic: latched() });
      const one = await failureOf(stage.client.request({ ...ASKED, provider: "openai" }));
      const all = await failureOf(request({ providers: ["openai", "anthropic"] }));
      expect([one.code, all.code, codesIn(all)]).toEqual([
        "DISTRUSTED",
        "DISTRUSTED",
        ["DISTRUSTED", "DISTRUSTED"],
      ]);
      expect(asked()).toEqual([]);
      await stage.speak({});
    });
    expect(events.map(saying)).toEqual([]);
  });

  test("uses up nothing of the budget", async () => {
    await stage.speak({ openai: latched(), anthropic: excluded() });
    const answer = await request({ providers: ["openai", "anthropic"], attemptsMax: 1 });
    expect(answer).toMatchObject({ provider: "anthropic", passedOver: [distrusted("openai")] });
  });

  test("takes no share of the time", async () => {
    await stage.speak({ anthropic: latched(), xai: latched() });
    await request({ timeoutMs: 10_000 });
    expect(Number(stage.openai.arrived[0]?.timeoutMs)).toBeGreaterThan(5000);
  });
});

describe("one on its way back", () => {
  test.each([5, 25, 50] as const)("gets its %i percent of the requests, and exactly those", async (share) => {
    await stage.speak({ openai: onProbation(share) });
    const ids = Array.from({ length: 400 }, () => randomUUID());
    const answers = await Promise.all(ids.map((requestId) => request({ requestId })));
    const inside = ids.filter((id) => isInside(trustLabel("openai"), id, share));
    expect(answers.flatMap((it) => (it.provider === "openai" ? [it.requestId] : []))).toEqual(inside);
    expect(Math.abs(inside.length / 4 - share)).toBeLessThan(15);
    expect(new Set(answers.map(({ provider }) => provider))).toEqual(new Set(["openai", "anthropic"]));
  });

  test.each<[string, boolean]>([
    ["inside", true],
    ["outside", false],
  ])("keeps a request that is %s of its share there, however often it is tried", async (_side, isIn) => {
    await stage.speak({ openai: onProbation(50) });
    const requestId = idOf(isIn, 50);
    const served = isIn ? stage.openai : stage.anthropic;
    served.reset((arrived, nth) => (nth < 3 ? says.busy(arrived) : arrived.answer("ok")));
    for (let n = 0; n < 3; n += 1) await request({ requestId });
    expect(new Set(asked())).toEqual(new Set([isIn ? "openai" : "anthropic"]));
    expect(served.arrived).toHaveLength(5);
  });

  test("serves a request outside of its share when nobody else does", async () => {
    await stage.speak({ openai: onProbation(5) });
    for (const it of [stage.anthropic, stage.xai]) it.reset(says.noise);
    expect(await request({ requestId: idOf(false, 5) })).toMatchObject({ provider: "openai" });
  });
});

/** An id of a request that is inside of a share of openai's, or outside. */
function idOf(isIn: boolean, share: number): string {
  const id = randomUUID();
  return isInside(trustLabel("openai"), id, share) === isIn ? id : idOf(isIn, share);
}

test.each<[string, () => ProviderTrust]>([
  ["excluded", excluded],
  ["latched", latched],
])("a provider that was %s is asked again as soon as a document says so", async (_how, trust) => {
  await stage.speak({ openai: trust() });
  expect(await request()).toMatchObject({ provider: "anthropic" });
  await stage.speak({});
  expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
});

test("a document that is older than what is held changes nothing", async () => {
  await stage.speak({ openai: latched() });
  const before = await stage.documents("old");
  await stage.broadcast({ v: 1, stream: { created: stage.created, seq: 1 }, providers: {} });
  await stage.heard("old", before);
  expect(await request()).toMatchObject({ provider: "anthropic" });
});

describe("what one teller's reports say", () => {
  test("of its quality is obeyed by its own clients alone", async () => {
    await stage.speak({ openai: toldBy("orchestrator", out()), anthropic: toldBy("batch", out()) });
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [distrusted("openai")] });
  });

  test("of its integrity is obeyed by its own clients alone", async () => {
    await stage.speak({ openai: toldBy("batch", ownLatch()) });
    expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
    await stage.speak({ openai: toldBy("orchestrator", ownLatch()) });
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [{ code: "DISTRUSTED" }] });
    const alone = await failureOf(stage.client.request({ ...ASKED, provider: "openai" }));
    expect(alone.code).toBe("DISTRUSTED");
  });
});
