import { randomUUID } from "node:crypto";
import type { OutcomeEvent } from "@scbe/contracts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ErrorCode, RequestOptions } from "../src/index.ts";
import { replies } from "./replies.ts";
import type { Arrived } from "./scripted-gateway.ts";
import { failureOf, REQUEST, summaryOf, TrustFixture, VARIABLES } from "./trust-fixture.ts";

/** The trust stream gets one outcome for each provider that was tried, and nothing else. */
let fixture: TrustFixture;
beforeAll(async () => {
  fixture = await TrustFixture.start();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());
beforeEach(() => fixture.reset());

type Script = (arrived: Arrived, nth: number) => void;

function request(change: Partial<RequestOptions> = {}) {
  return fixture.client.request({ ...REQUEST, provider: "openai", ...change });
}

describe("is reported as", () => {
  test.each<[string, string, Script, ErrorCode, Partial<RequestOptions>?]>([
    ["provider_error", "a handler that failed", replies.problem("HANDLER_FAILED"), "HANDLER_FAILED"],
    ["timeout", "silence until the deadline", replies.nothing, "TIMEOUT", { timeoutMs: 300 }],
    ["timeout", "silence of several gateways", replies.nothing, "TIMEOUT", { timeoutMs: 900 }],
    ["timeout", "no answer after `accepted`", replies.accepted, "TIMEOUT", { timeoutMs: 500 }],
    ["timeout", "a handler that timed out", replies.problem("TIMEOUT"), "TIMEOUT"],
    ["busy", "a handler whose provider is full", replies.problem("BUSY"), "BUSY"],
    ["refused", "noise", replies.noise, "REFUSED"],
    ["no_responders", "no gateway", replies.nothing, "NO_RESPONDERS", { provider: "mistral" }],
  ])("%s: %s", async (result, _case, script, code, change) => {
    fixture.openai.reset(script);
    const requestId = randomUUID();
    const events = await fixture.eventsDuring(async () =>
      expect(await failureOf(request({ ...change, requestId }))).toMatchObject({ code }),
    );
    expect(events.map(summaryOf)).toEqual([`${change?.provider ?? "openai"} ${result}`]);
    expect(events[0]).toMatchObject({ kind: "outcome", request_id: requestId, count: 1 });
  });

  test("`ok`: answers; consecutive ones share an event", async () => {
    const events = await fixture.eventsDuring(() => Promise.all([request(), request(), request()]));
    const all = events.reduce((sum, event) => sum + (event as OutcomeEvent).count, 0);
    expect([all, ...new Set(events.map(({ provider }) => provider))]).toEqual([3, "openai"]);
    expect(events.length).toBeLessThan(3);
  });

  test("`busy`: a group of full gateways", async () => {
    fixture.openai.reset(replies.busy);
    const events = await fixture.eventsDuring(() =>
      fixture.client.request({ ...REQUEST, providers: ["openai", "anthropic"] }),
    );
    expect(events.map(summaryOf)).toEqual(["openai busy", "anthropic ok 1"]);
  });

  test("one outcome, however many envelopes were sent", async () => {
    fixture.openai.reset((arrived, nth) => (nth < 3 ? replies.busy(arrived) : arrived.answer("ok")));
    const events = await fixture.eventsDuring(() => request());
    expect(events.map(summaryOf)).toEqual(["openai ok 1"]);
  });

  test("one outcome for each candidate that was tried, with the request's id", async () => {
    fixture.openai.reset(replies.problem("HANDLER_FAILED"));
    fixture.anthropic.reset(replies.accepted);
    const requestId = randomUUID();
    const providers = ["openai", "mistral", "nokeys", "anthropic", "xai"];
    const events = await fixture.eventsDuring(() =>
      fixture.client.request({ ...REQUEST, requestId, providers, attemptsMax: 5, attemptTimeoutMs: 1500 }),
    );
    expect(events.map(summaryOf)).toEqual([
      "openai provider_error",
      "anthropic timeout",
      "xai ok 1",
      "mistral no_responders",
    ]);
    expect(events.map((event) => event.request_id)).toEqual([requestId, requestId, undefined, requestId]);
    // Each from the beginning of its own attempt.
    expect((events[1] as OutcomeEvent).latency_ms).toBeGreaterThanOrEqual(1490);
    expect((events[2] as OutcomeEvent).latency_ms).toBeLessThan(1490);
  });
});

describe("nothing is reported of", () => {
  test.each<[string, Script, ErrorCode, Partial<RequestOptions>?]>([
    ["a handler that rejects the request", replies.problem("BAD_REQUEST"), "BAD_REQUEST"],
    ["a handler that forbids the request", replies.problem("FORBIDDEN"), "FORBIDDEN"],
    ["a handler that was stopped", replies.problem("NOT_READY"), "NOT_READY"],
    ["a handler that throws DISCONNECTED", replies.problem("DISCONNECTED"), "DISCONNECTED"],
    ["a gateway that is stopping", replies.unsealed("NOT_READY"), "NOT_READY"],
    ["an unauthenticated INTERNAL", replies.unsealed("INTERNAL"), "INTERNAL"],
    ["a gateway that is switched off", replies.unsealed("SWITCHED_OFF"), "SWITCHED_OFF"],
    [
      "a request that is too large for the bus",
      replies.nothing,
      "TOO_LARGE",
      { body: Buffer.alloc(8 * 2 ** 20) },
    ],
    ["an intent without keys", replies.nothing, "NO_KEYS", { intent: "tools" }],
    ["a request that is aborted before sending", replies.nothing, "ABORTED", { signal: AbortSignal.abort() }],
  ])("%s", async (_case, script, code, change) => {
    fixture.openai.reset(script);
    const events = await fixture.eventsDuring(async () =>
      expect(await failureOf(request(change))).toMatchObject({ code }),
    );
    expect(events.map(summaryOf)).toEqual([]);
  });

  test("a request that is aborted while it is open", async () => {
    const giveUp = new AbortController();
    fixture.openai.reset((arrived) => {
      replies.accepted(arrived);
      giveUp.abort();
    });
    const events = await fixture.eventsDuring(async () =>
      expect(await failureOf(request({ signal: giveUp.signal }))).toMatchObject({ code: "ABORTED" }),
    );
    expect(events.map(summaryOf)).toEqual([]);
  });

  test("a timeout that was too short to blame the provider", async () => {
    for (const it of [fixture.openai, fixture.anthropic]) it.reset(replies.accepted);
    const events = await fixture.eventsDuring(async () => {
      // A new process: it has measured no provider.
      await using fresh = await fixture.deployment.orchestrator({ variables: VARIABLES });
      const limits = { timeoutMs: 2000, attemptTimeoutMs: 1900 };
      const options = { ...REQUEST, ...limits, providers: ["openai", "anthropic"] };
      expect(await failureOf(fresh.request(options))).toMatchObject({ code: "TIMEOUT" });
    });
    expect(events.map(summaryOf)).toEqual(["openai timeout"]);
  });

  test("a request that was open when the link was lost", { timeout: 60_000 }, async () => {
    await using other = await TrustFixture.start();
    await other.reset();
    const events = await other.eventsDuring(async () => {
      const arrived = Promise.withResolvers<void>();
      other.openai.reset((it) => {
        replies.accepted(it);
        arrived.resolve();
      });
      const failing = failureOf(other.client.request({ ...REQUEST, provider: "openai" }));
      await arrived.promise;
      await other.deployment.nats.kill();
      expect(await failing).toMatchObject({ code: "DISCONNECTED" });
      await other.deployment.nats.restart();
      await other.awaitReconnect();
    });
    expect(events.map(summaryOf)).toEqual([]);
  });
});
