import { randomUUID } from "node:crypto";
import { type ProviderTrust, type ScbeError, trustLabel } from "@scbe/contracts";
import { isInside } from "@scbe/envelope/control";
import { excluded, latched, onProbation, out, ownLatch, toldBy } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CandidatesOptions } from "../src/index.ts";
import { replies } from "./replies.ts";
import { failureOf, REQUEST, summaryOf, TrustFixture } from "./trust-fixture.ts";

/** The order of the candidates, by the trust document at the start of the request. */
let fixture: TrustFixture;
beforeAll(async () => {
  fixture = await TrustFixture.start();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());
beforeEach(() => fixture.reset());

const ALL = ["openai", "anthropic", "xai"];
const distrusted = (provider: string) => ({ provider, model: "gpt-5", code: "DISTRUSTED", envelopes: 0 });

function request(change: Partial<CandidatesOptions> = {}) {
  return fixture.client.request({ ...REQUEST, providers: ALL, ...change } as CandidatesOptions);
}

/** The providers that got an envelope, in order. */
function triedProviders(): string[] {
  return [fixture.openai, fixture.anthropic, fixture.xai]
    .flatMap(({ arrived }) => arrived)
    .toSorted((one, other) => one.atMs - other.atMs)
    .map(({ header }) => header.provider);
}

function codesIn({ cause }: ScbeError): string[] {
  return (cause as AggregateError).errors.map(({ code }: ScbeError) => code);
}

describe("a provider that is excluded for its quality", () => {
  test("comes after all others, and is in `passedOver`", async () => {
    await fixture.publishTrust({ openai: excluded() });
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [distrusted("openai")] });
    expect(triedProviders()).toEqual(["anthropic"]);
  });

  test("is not in `passedOver` if the provider that served comes before it", async () => {
    await fixture.publishTrust({ anthropic: excluded(), xai: excluded() });
    expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
  });

  test("serves if no other provider does", async () => {
    fixture.anthropic.reset(replies.noise);
    fixture.xai.reset(replies.problem("HANDLER_FAILED"));
    await fixture.publishTrust({ openai: excluded() });
    const { provider, passedOver } = await request();
    expect([provider, ...passedOver.map((it) => [it.provider, it.code])]).toEqual([
      "openai",
      ["anthropic", "REFUSED"],
      ["xai", "HANDLER_FAILED"],
    ]);
    expect(triedProviders()).toEqual(["anthropic", "xai", "openai"]);
  });

  test("serves as the only provider, and in the caller's order if all are excluded", async () => {
    const out = excluded();
    await fixture.publishTrust({ openai: out, anthropic: out, xai: out });
    expect(await fixture.client.request({ ...REQUEST, provider: "openai" })).toMatchObject({
      passedOver: [],
    });
    expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
    fixture.anthropic.reset(replies.problem("HANDLER_FAILED"));
    const answer = await request({ providers: ["anthropic", "xai", "openai"] });
    expect(answer).toMatchObject({ provider: "xai", passedOver: [{ code: "HANDLER_FAILED" }] });
  });

  test("is in `passedOver` in the order of the request", async () => {
    for (const it of [fixture.openai, fixture.anthropic]) it.reset(replies.problem("HANDLER_FAILED"));
    await fixture.publishTrust({ openai: excluded(), xai: excluded() });
    const { provider, passedOver } = await request();
    expect([provider, ...passedOver.map((it) => it.provider)]).toEqual(["xai", "openai", "anthropic"]);
    expect(triedProviders()).toEqual(["anthropic", "openai", "xai"]);
  });

  test("is not tried beyond `attemptsMax`, and is not in the error", async () => {
    for (const it of [fixture.anthropic, fixture.xai]) it.reset(replies.problem("HANDLER_FAILED"));
    await fixture.publishTrust({ openai: excluded() });
    const error = await failureOf(request({ attemptsMax: 2 }));
    expect([error.code, codesIn(error)]).toEqual(["HANDLER_FAILED", ["HANDLER_FAILED", "HANDLER_FAILED"]]);
    expect(triedProviders()).toEqual(["anthropic", "xai"]);
  });

  test("has all remaining time, as the last one", async () => {
    for (const it of [fixture.anthropic, fixture.xai]) it.reset(replies.accepted);
    await fixture.publishTrust({ openai: excluded() });
    expect(await request({ attemptTimeoutMs: 300 })).toMatchObject({ provider: "openai" });
    const [first, second, last] = [fixture.anthropic, fixture.xai, fixture.openai].map(({ arrived }) =>
      Number(arrived[0]?.timeoutMs),
    );
    expect([first, second]).toEqual([expect.toSatisfy(isShort), expect.toSatisfy(isShort)]);
    expect(last).toBeGreaterThan(1000);
  });
});

const isShort = (ms: number): boolean => ms > 0 && ms <= 300;

describe("a provider whose integrity is in doubt", () => {
  test("is never tried, and the next one serves", async () => {
    await fixture.publishTrust({ openai: latched() });
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [distrusted("openai")] });
    expect(triedProviders()).toEqual(["anthropic"]);
  });

  test("is not tried even if all others fail, and does not hide their error", async () => {
    for (const it of [fixture.anthropic, fixture.xai]) it.reset(replies.problem("HANDLER_FAILED"));
    await fixture.publishTrust({ openai: latched() });
    const error = await failureOf(request());
    expect(error.code).toBe("HANDLER_FAILED");
    expect(codesIn(error)).toEqual(["HANDLER_FAILED", "HANDLER_FAILED", "DISTRUSTED"]);
    expect(triedProviders()).toEqual(["anthropic", "xai"]);
  });

  test("is DISTRUSTED if there is no other, and nothing is sent or reported", async () => {
    const events = await fixture.eventsDuring(async () => {
      await fixture.publishTrust({ openai: latched(), anthropic: latched() });
      const one = await failureOf(fixture.client.request({ ...REQUEST, provider: "openai" }));
      const all = await failureOf(request({ providers: ["openai", "anthropic"] }));
      expect([one.code, all.code, codesIn(all)]).toEqual([
        "DISTRUSTED",
        "DISTRUSTED",
        ["DISTRUSTED", "DISTRUSTED"],
      ]);
      expect(triedProviders()).toEqual([]);
      await fixture.publishTrust({});
    });
    expect(events.map(summaryOf)).toEqual([]);
  });

  test("does not count for `attemptsMax`", async () => {
    await fixture.publishTrust({ openai: latched(), anthropic: excluded() });
    const answer = await request({ providers: ["openai", "anthropic"], attemptsMax: 1 });
    expect(answer).toMatchObject({ provider: "anthropic", passedOver: [distrusted("openai")] });
  });

  test("takes no share of the time", async () => {
    await fixture.publishTrust({ anthropic: latched(), xai: latched() });
    await request({ timeoutMs: 10_000 });
    expect(Number(fixture.openai.arrived[0]?.timeoutMs)).toBeGreaterThan(5000);
  });
});

describe("a provider on probation", () => {
  test.each([5, 25, 50] as const)("gets exactly the requests of its %i percent", async (share) => {
    await fixture.publishTrust({ openai: onProbation(share) });
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
  ])("treats a request %s its share the same in every try", async (_side, isIn) => {
    await fixture.publishTrust({ openai: onProbation(50) });
    const requestId = idOf(isIn, 50);
    const served = isIn ? fixture.openai : fixture.anthropic;
    served.reset((arrived, nth) => (nth < 3 ? replies.busy(arrived) : arrived.answer("ok")));
    for (let n = 0; n < 3; n += 1) await request({ requestId });
    expect(new Set(triedProviders())).toEqual(new Set([isIn ? "openai" : "anthropic"]));
    expect(served.arrived).toHaveLength(5);
  });

  test("serves a request outside its share if no other provider does", async () => {
    await fixture.publishTrust({ openai: onProbation(5) });
    for (const it of [fixture.anthropic, fixture.xai]) it.reset(replies.noise);
    expect(await request({ requestId: idOf(false, 5) })).toMatchObject({ provider: "openai" });
  });
});

/** A request id inside or outside openai's share. */
function idOf(isIn: boolean, share: number): string {
  const id = randomUUID();
  return isInside(trustLabel("openai"), id, share) === isIn ? id : idOf(isIn, share);
}

test.each<[string, () => ProviderTrust]>([
  ["excluded", excluded],
  ["latched", latched],
])("a provider that was %s is tried again as soon as a document clears it", async (_how, trust) => {
  await fixture.publishTrust({ openai: trust() });
  expect(await request()).toMatchObject({ provider: "anthropic" });
  await fixture.publishTrust({});
  expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
});

test("a document that is older than the current one is ignored", async () => {
  await fixture.publishTrust({ openai: latched() });
  const before = await fixture.countDocuments("old");
  await fixture.broadcast({ v: 1, stream: { created: fixture.created, seq: 1 }, providers: {} });
  await fixture.awaitDocument("old", before);
  expect(await request()).toMatchObject({ provider: "anthropic" });
});

describe("trust by the reports of one teller", () => {
  test("about quality applies to its own clients only", async () => {
    await fixture.publishTrust({ openai: toldBy("orchestrator", out()), anthropic: toldBy("batch", out()) });
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [distrusted("openai")] });
  });

  test("about integrity applies to its own clients only", async () => {
    await fixture.publishTrust({ openai: toldBy("batch", ownLatch()) });
    expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
    await fixture.publishTrust({ openai: toldBy("orchestrator", ownLatch()) });
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [{ code: "DISTRUSTED" }] });
    const alone = await failureOf(fixture.client.request({ ...REQUEST, provider: "openai" }));
    expect(alone.code).toBe("DISTRUSTED");
  });
});
