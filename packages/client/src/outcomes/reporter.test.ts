import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Bus, connectBus } from "@scbe/bus";
import { type OutcomeEvent, type OutcomeResult, ScbeError, serviceErrorHeaders } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import { createLogger } from "@scbe/service";
import { collectLogs, eventually, type NatsServer, startNats } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ReceivedReports } from "../../test/received-reports.ts";
import { OutcomeReporter, type Wait } from "./reporter.ts";

const log = createLogger({ name: "test", level: "silent" });
const LONG = { timeoutMs: 60_000 };
const KIND = { intent: "chat", model: "gpt-5" };

let nats: NatsServer;
let bus: Bus;
let metrics: Registry;
let reporter: OutcomeReporter;
let scorer: Bus;
let received: ReceivedReports;
let latched: string[];

beforeEach(async () => {
  nats = await startNats();
  bus = await connectBus({ servers: [nats.url], name: "orchestrator", log });
  scorer = await connectBus({ servers: [nats.url], name: "trust-scorer", log });
  received = new ReceivedReports(scorer);
  await scorer.flush();
  metrics = new Registry();
  latched = [];
  const latches = {
    latch: (provider: string) => void latched.push(provider),
    settled: (provider: string, seq: number | undefined) => void latched.push(`${provider} stored at ${seq}`),
  };
  reporter = new OutcomeReporter({
    bus,
    clock: systemClock,
    log,
    metrics,
    latches,
    timeoutMinMs: 1000,
    reportsOutcomes: true,
  });
});
afterEach(async () => {
  await reporter[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
  await scorer[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

function note(result: OutcomeResult, provider = "openai", latencyMs = 5): string {
  const requestId = randomUUID();
  reporter.note({ provider, ...KIND, requestId, result, latencyMs });
  return requestId;
}

async function reported(result: string): Promise<number> {
  const values = (await metrics.getSingleMetric("scbe_outcome_reports_total")?.get())?.values ?? [];
  return values.find(({ labels }) => labels.result === result)?.value ?? 0;
}

async function waiting(): Promise<number> {
  return (
    (await metrics.getSingleMetric("scbe_outcome_reports_waiting")?.get())?.values[0]?.value ?? Number.NaN
  );
}

/** Provider, result and count of each event, in order. */
async function reportedEvents(): Promise<(readonly [string, string, number | undefined])[]> {
  return received.events.map((event) =>
    event.kind === "outcome"
      ? [event.provider, event.result, event.count]
      : [event.provider, event.kind, undefined],
  );
}

test("consecutive successes are one event, and other outcomes keep their place between them", async () => {
  for (let n = 0; n < 3; n += 1) note("ok");
  note("ok", "xai", 400);
  const failed = note("timeout", "openai", 1234);
  for (let n = 0; n < 2; n += 1) note("ok");
  await eventually(async () => (await reportedEvents()).length === 4);
  const events = received.events as OutcomeEvent[];
  expect(events.map(({ provider, result, count }) => [provider, result, count])).toEqual([
    ["openai", "ok", 3],
    ["openai", "timeout", 1],
    ["xai", "ok", 1],
    ["openai", "ok", 2],
  ]);
  expect(events[1]).toMatchObject({ request_id: failed, latency_ms: 1234 });
  expect(events[0]).not.toHaveProperty("request_id");
  // From the sending of the first request until the report.
  expect(events[2]?.latency_ms).toBeGreaterThanOrEqual(400 + 200);
});

test("without scorers nothing is reported or queued, and an integrity failure still latches", async () => {
  await using alone = new OutcomeReporter({
    ...{ bus, clock: systemClock, log: collectLogs().log, metrics: new Registry(), timeoutMinMs: 1000 },
    latches: { latch: (provider) => void latched.push(provider), settled: () => undefined },
    reportsOutcomes: false,
  });
  for (const result of ["ok", "timeout"] as const)
    alone.note({ provider: "openai", ...KIND, requestId: randomUUID(), result, latencyMs: 5 });
  alone.blame("openai", randomUUID());
  expect(latched).toEqual(["openai"]);
  note("timeout", "xai");
  await eventually(async () => (await reportedEvents()).length > 0);
  expect(await reportedEvents()).toEqual([["xai", "timeout", 1]]);
});

test("disposing reports what is still collected", async () => {
  note("ok");
  await reporter[Symbol.asyncDispose]();
  expect(await reportedEvents()).toEqual([["openai", "ok", 1]]);
});

test("one event holds at most 10,000 successes", async () => {
  for (let n = 0; n < 10_001; n += 1) note("ok");
  await eventually(async () => (await reportedEvents()).length === 2);
  expect(await reportedEvents()).toEqual([
    ["openai", "ok", 10_000],
    ["openai", "ok", 1],
  ]);
});

test("a burst of 50,000 events is stored completely, each once, and noting does not wait", {
  timeout: 120_000,
}, async () => {
  const requestIds = Array.from({ length: 50_000 }, () => note("provider_error"));
  expect(await waiting()).toBe(50_000);
  await eventually(async () => (await waiting()) === 0, LONG);
  const events = received.events as OutcomeEvent[];
  expect(events.map((event) => event.request_id)).toEqual(requestIds);
  expect(await reported("acknowledged")).toBe(50_000);
  expect(await reported("dropped")).toBe(0);
});

test("events wait while the server is away, and are sent once when it is back", {
  timeout: 60_000,
}, async () => {
  note("timeout");
  await eventually(async () => (await reported("acknowledged")) === 1);
  nats.pause();
  const later = [note("empty"), note("size"), note("schema")];
  reporter.blame("openai", later[0] as string);
  await eventually(async () => (await reported("failed")) >= 4, LONG);
  nats.resume();
  await eventually(async () => (await waiting()) === 0, LONG);
  expect((await reportedEvents()).map(([, what]) => what)).toEqual([
    "timeout",
    "empty",
    "size",
    "schema",
    "integrity",
  ]);
});

test("timeouts of a dead link are dropped, all other events are reported", {
  timeout: 60_000,
}, async () => {
  nats.pause();
  for (const result of ["timeout", "empty", "timeout"] as const) note(result);
  await nats.kill();
  await eventually(() => !bus.connected, LONG);
  expect([await waiting(), await reported("dropped")]).toEqual([1, 2]);
  await nats.restart();
  await eventually(async () => (await waiting()) === 0, LONG);
  expect((await reportedEvents()).map(([, what]) => what)).toEqual(["empty"]);
});

test("events that are refused as malformed or forbidden are dropped, not sent again", async () => {
  await scorer[Symbol.asyncDispose]();
  scorer = await connectBus({ servers: [nats.url], name: "trust-scorer", log });
  const refusal = serviceErrorHeaders(new ScbeError("BAD_REQUEST", "no"));
  scorer.subscribe("scbe.v1.trust.tell.*.*", ({ reply }) =>
    scorer.publish(reply ?? "", new Uint8Array(0), refusal),
  );
  await scorer.flush();
  note("timeout");
  await eventually(async () => (await reported("dropped")) === 1);
  expect(await waiting()).toBe(0);
});

test("events above the limit are dropped and counted; integrity events have additional room", {
  timeout: 60_000,
}, async () => {
  nats.pause();
  for (let n = 0; n < 65_536 + 3; n += 1) note("timeout");
  expect(await reported("dropped")).toBe(3);
  reporter.blame("openai", randomUUID());
  expect(await reported("dropped")).toBe(3);
  nats.resume();
});

test("a run lasts from the sending of its first request, and latencies are clamped to the limits of the report", async () => {
  note("ok", "openai", 400);
  note("ok", "openai", 1);
  note("timeout", "xai", 1e9);
  note("timeout", "mistral", -0.5);
  await reporter[Symbol.asyncDispose]();
  const latency = (provider: string): number =>
    (received.events as OutcomeEvent[]).find((it) => it.provider === provider)?.latency_ms ?? Number.NaN;
  expect(latency("openai")).toBeGreaterThanOrEqual(400);
  expect([latency("xai"), latency("mistral")]).toEqual([3_600_000, 0]);
});

test("a blame latches the provider at once, before a scorer gets the report, and its receipt is passed on", async () => {
  received.seq = 77;
  reporter.blame("openai", randomUUID());
  expect(latched).toEqual(["openai"]);
  await eventually(() => latched.length === 2);
  expect(latched[1]).toBe("openai stored at 77");
});

describe("a timeout is reported", () => {
  const wait = (givenMs: number, more: Partial<Wait> = {}, provider = "openai"): void =>
    reporter.timedOut(
      { provider, ...KIND, requestId: randomUUID(), latencyMs: givenMs },
      { of: "answer", givenMs, isUnopened: false, ...more },
    );
  const answered = (provider: string, ms: number): void => {
    for (let n = 0; n < 30; n += 1) reporter.answered(provider, KIND, ms);
  };

  async function summaries(): Promise<string[]> {
    await reporter[Symbol.asyncDispose]();
    return (await reportedEvents()).map(([provider, what]) => `${provider} ${what}`);
  }

  test("only if the wait was long enough for any provider, or usual for this one", async () => {
    for (let n = 0; n < 7; n += 1) wait(999);
    wait(1000);
    answered("xai", 200);
    for (let n = 0; n < 7; n += 1) wait(150, {}, "xai");
    wait(400, {}, "xai");
    expect(await summaries()).toEqual(["openai timeout", "xai timeout"]);
  });

  test("without a response by the usual time of responses", async () => {
    answered("openai", 500);
    for (let n = 0; n < 30; n += 1) reporter.responded("openai", 5);
    wait(100, { of: "answer" });
    wait(100, { of: "response" });
    expect(await summaries()).toEqual(["openai timeout"]);
  });

  test("after a reply that did not open only if this process has opened another provider's answer since", async () => {
    wait(5000, { isUnopened: true });
    wait(5000, { isUnopened: true }, "xai");
    await delay(2);
    reporter.answered("xai", KIND, 5);
    await delay(2);
    wait(5000, { isUnopened: true });
    expect(await summaries()).toEqual(["openai timeout"]);
  });
});

test("an answer that is later than its caller expects is a success, unless the provider usually answers within that time", async () => {
  const late = (expectedMs: number): void =>
    reporter.late({ provider: "openai", ...KIND, requestId: randomUUID(), latencyMs: 800 }, expectedMs);
  for (let n = 0; n < 30; n += 1) reporter.answered("openai", KIND, 200);
  late(100);
  late(500);
  await reporter[Symbol.asyncDispose]();
  expect((await reportedEvents()).map(([, what]) => what)).toEqual(["ok", "latency"]);
});
