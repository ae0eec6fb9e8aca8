import { randomUUID } from "node:crypto";
import type { OutcomeEvent } from "@scbe/contracts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ErrorCode, RequestOptions } from "../src/index.ts";
import type { Arrived } from "./scripted-gateway.ts";
import { says } from "./scripts.ts";
import { ASKED, failureOf, saying, TrustStage, VARIABLES } from "./trust-stage.ts";

/** The trust stream hears of each provider that was asked what came of it, and of nothing else. */
let stage: TrustStage;
beforeAll(async () => {
  stage = await TrustStage.start();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
beforeEach(() => stage.reset());

type Script = (arrived: Arrived, nth: number) => void;

function request(change: Partial<RequestOptions> = {}) {
  return stage.client.request({ ...ASKED, provider: "openai", ...change });
}

describe("is told as", () => {
  test.each<[string, string, Script, ErrorCode, Partial<RequestOptions>?]>([
    ["provider_error", "a handler that failed", says.problem("HANDLER_FAILED"), "HANDLER_FAILED"],
    ["timeout", "silence until the deadline", says.nothing, "TIMEOUT", { timeoutMs: 300 }],
    ["timeout", "silence of one gateway after the other", says.nothing, "TIMEOUT", { timeoutMs: 900 }],
    ["timeout", "no answer after `accepted`", says.accepted, "TIMEOUT", { timeoutMs: 500 }],
    ["timeout", "a handler that had no answer in time", says.problem("TIMEOUT"), "TIMEOUT"],
    ["busy", "a handler whose provider is full", says.problem("BUSY"), "BUSY"],
    ["refused", "noise", says.noise, "REFUSED"],
    ["no_responders", "no gateway", says.nothing, "NO_RESPONDERS", { provider: "mistral" }],
  ])("%s: %s", async (result, _case, script, code, change) => {
    stage.openai.reset(script);
    const requestId = randomUUID();
    const events = await stage.told(async () =>
      expect(await failureOf(request({ ...change, requestId }))).toMatchObject({ code }),
    );
    expect(events.map(saying)).toEqual([`${change?.provider ?? "openai"} ${result}`]);
    expect(events[0]).toMatchObject({ kind: "outcome", request_id: requestId, count: 1 });
  });

  test("`ok`: answers, those in a row together", async () => {
    const events = await stage.told(() => Promise.all([request(), request(), request()]));
    const all = events.reduce((sum, event) => sum + (event as OutcomeEvent).count, 0);
    expect([all, ...new Set(events.map(({ provider }) => provider))]).toEqual([3, "openai"]);
    expect(events.length).toBeLessThan(3);
  });

  test("`busy`: a group whose gateways are all full", async () => {
    stage.openai.reset(says.busy);
    const events = await stage.told(() =>
      stage.client.request({ ...ASKED, providers: ["openai", "anthropic"] }),
    );
    expect(events.map(saying)).toEqual(["openai busy", "anthropic ok 1"]);
  });

  test("one outcome: however many envelopes it took", async () => {
    stage.openai.reset((arrived, nth) => (nth < 3 ? says.busy(arrived) : arrived.answer("ok")));
    const events = await stage.told(() => request());
    expect(events.map(saying)).toEqual(["openai ok 1"]);
  });

  test("one outcome for each candidate that was asked, under the request's id", async () => {
    stage.openai.reset(says.problem("HANDLER_FAILED"));
    stage.anthropic.reset(says.accepted);
    const requestId = randomUUID();
    const providers = ["openai", "mistral", "nokeys", "anthropic", "xai"];
    const events = await stage.told(() =>
      stage.client.request({ ...ASKED, requestId, providers, attemptsMax: 5, attemptTimeoutMs: 1500 }),
    );
    expect(events.map(saying)).toEqual([
      "openai provider_error",
      "anthropic timeout",
      "xai ok 1",
      "mistral no_responders",
    ]);
    expect(events.map((event) => event.request_id)).toEqual([requestId, requestId, undefined, requestId]);
    // Each one's own, from its own beginning.
    expect((events[1] as OutcomeEvent).latency_ms).toBeGreaterThanOrEqual(1490);
    expect((events[2] as OutcomeEvent).latency_ms).toBeLessThan(1490);
  });
});

describe("nothing is told of", () => {
  test.each<[string, Script, ErrorCode, Partial<RequestOptions>?]>([
    ["a request that its handler finds bad", says.problem("BAD_REQUEST"), "BAD_REQUEST"],
    ["one that its handler does not permit", says.problem("FORBIDDEN"), "FORBIDDEN"],
    ["a handler that was stopped", says.problem("NOT_READY"), "NOT_READY"],
    ["a handler that says DISCONNECTED", says.problem("DISCONNECTED"), "DISCONNECTED"],
    ["a gateway that is stopping", says.unsealed("NOT_READY"), "NOT_READY"],
    ["a gateway that has a defect, as somebody says", says.unsealed("INTERNAL"), "INTERNAL"],
    ["a gateway that is switched off", says.unsealed("SWITCHED_OFF"), "SWITCHED_OFF"],
    ["what is too large for the bus", says.nothing, "TOO_LARGE", { body: Buffer.alloc(8 * 2 ** 20) }],
    ["an intent without keys", says.nothing, "NO_KEYS", { intent: "tools" }],
    ["what is given up before it is sent", says.nothing, "ABORTED", { signal: AbortSignal.abort() }],
  ])("%s", async (_case, script, code, change) => {
    stage.openai.reset(script);
    const events = await stage.told(async () =>
      expect(await failureOf(request(change))).toMatchObject({ code }),
    );
    expect(events.map(saying)).toEqual([]);
  });

  test("what its caller gives up while it is at work", async () => {
    const giveUp = new AbortController();
    stage.openai.reset((arrived) => {
      says.accepted(arrived);
      giveUp.abort();
    });
    const events = await stage.told(async () =>
      expect(await failureOf(request({ signal: giveUp.signal }))).toMatchObject({ code: "ABORTED" }),
    );
    expect(events.map(saying)).toEqual([]);
  });

  test("a candidate that had less time than it is known to keep, and took longer", async () => {
    for (const it of [stage.openai, stage.anthropic]) it.reset(says.accepted);
    const events = await stage.told(async () => {
      // It knows of no provider how long its answers take.
      await using fresh = await stage.deployment.orchestrator({ variables: VARIABLES });
      const limits = { timeoutMs: 2000, attemptTimeoutMs: 1900 };
      const asked = { ...ASKED, ...limits, providers: ["openai", "anthropic"] };
      expect(await failureOf(fresh.request(asked))).toMatchObject({ code: "TIMEOUT" });
    });
    expect(events.map(saying)).toEqual(["openai timeout"]);
  });

  test("what was under way when the link was lost", { timeout: 60_000 }, async () => {
    await using other = await TrustStage.start();
    await other.reset();
    const events = await other.told(async () => {
      const arrived = Promise.withResolvers<void>();
      other.openai.reset((it) => {
        says.accepted(it);
        arrived.resolve();
      });
      const failing = failureOf(other.client.request({ ...ASKED, provider: "openai" }));
      await arrived.promise;
      await other.deployment.nats.kill();
      expect(await failing).toMatchObject({ code: "DISCONNECTED" });
      await other.deployment.nats.restart();
      await other.isBack();
    });
    expect(events.map(saying)).toEqual([]);
  });
});
