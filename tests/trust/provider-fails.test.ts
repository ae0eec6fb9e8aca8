import { randomBytes } from "node:crypto";
import type { Answer, Client } from "@scbe/client";
import { PROBATION_SHARES, type ProviderTrust, trustLabel, trustShare } from "@scbe/contracts";
import { isInside } from "@scbe/envelope/control";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import {
  type Bad,
  empty,
  type FaultyGateway,
  faultyGateway,
  hanging,
  late,
  textFor,
  throwing,
} from "../kit/faulty-gateway.ts";
import { readMetric } from "../kit/scrape.ts";
import { type System, startSystem } from "../kit/system.ts";
import { type Sent, steadyTraffic } from "../kit/traffic.ts";
import { type TrustWatch, tellerRow, watchTrust } from "../kit/trust.ts";

/**
 * 2,000 requests name two providers, and the first provider fails meanwhile, in each way. Every request is served, by the right
 * provider. The failing provider is excluded, heals, and returns step by step.
 */

const stack = new AsyncDisposableStack();
let system: System;
let api: ControlApi;
let orchestrator: Client;
let other: FaultyGateway;
let trust: TrustWatch;

const EXCLUSION_MS = 1000;

beforeAll(async () => {
  const variables = { SCBE_TRUST_EXCLUSION_MS: String(EXCLUSION_MS), SCBE_TRUST_EXCLUSION_MAX_MS: "2000" };
  system = stack.use(await startSystem({ envelope: false, controller: true, scorer: true, variables }));
  api = new ControlApi(system);
  orchestrator = stack.use(await system.orchestrator());
  other = stack.use(await faultyGateway(system, "anthropic", throwing));
  trust = stack.use(await watchTrust(system));
});
afterAll(() => stack.disposeAsync());

const REQUESTS = 2000;
const CONCURRENCY = 8;
/** The time-out of an attempt. */
const WITHIN_MS = 800;
const ATTEMPT_MS = 1000;

function ask(requestId: string): Promise<Answer> {
  return orchestrator.request({
    providers: ["openai", "anthropic"],
    model: "m",
    intent: "chat",
    body: Buffer.from("Hello"),
    requestId,
    attemptTimeoutMs: ATTEMPT_MS,
    timeoutMs: 30_000,
    expects: {
      withinMs: WITHIN_MS,
      check: ({ body }) => Buffer.from(body).toString() === textFor(requestId),
    },
  });
}

const WAYS: readonly [turns: string, bad: Bad, code: string | undefined][] = [
  ["whose handler throws", throwing, "HANDLER_FAILED"],
  ["that never answers", hanging, "TIMEOUT"],
  ["that answers too late", late(WITHIN_MS + 50), undefined],
  ["that answers with an unexpected body", empty, "BAD_ANSWER"],
  [
    "that answers with bytes that are not an envelope",
    { script: (gateway, arrival) => gateway.answer(arrival, randomBytes(512)) },
    "TIMEOUT",
  ],
  [
    "that answers with a response that it sent before",
    { script: (gateway, arrival, { response }) => gateway.answer(arrival, response) },
    "TIMEOUT",
  ],
  [
    "that seals its answer for another request",
    {
      script: (gateway, arrival, before) =>
        gateway.answer(arrival, gateway.seal(before.arrival, textFor(arrival.header.request_id))),
    },
    "TIMEOUT",
  ],
];

test.each(WAYS)(
  "a gateway %s gets no more requests, and returns when it has healed",
  async (turns, bad, code) => {
    await api.trust({ provider: "openai", trust_score: 1 });
    await trust.until("openai", (it) => tellerRow(it).w === 0 && tellerRow(it).exclusions === 0);
    await using gateway = await faultyGateway(system, "openai", bad);
    const served = other.reached.length;
    await using traffic = steadyTraffic({ concurrency: CONCURRENCY, everyMs: 20 }, ask);

    await traffic.more(300);
    const badFrom = Date.now();
    gateway.isBad = true;
    const { exclusion } = tellerRow(await trust.until("openai", (it) => tellerRow(it).exclusion !== null));
    const outFrom = Date.now();
    expect(await excludedMetric()).toBe(1);
    gateway.isBad = false;
    const back = await trust.until("openai", (it) => trustShare(it, Date.now()) === 100);
    await traffic.more(Math.max(100, REQUESTS - traffic.sent.length));
    await traffic.end();

    const { sent } = traffic;
    expect(sent.filter(({ error }) => error !== undefined)).toEqual([]);
    expectAnsweredOnce(sent, gateway, served);
    const reasons = sent.flatMap(({ answer }) => answer?.passedOver ?? []).map((it) => it.code);
    expect(new Set(reasons)).toEqual(new Set([...(code === undefined ? [] : [code]), "DISTRUSTED"]));

    const whileBad = gateway.reached.filter(({ at }) => at >= badFrom && at < outFrom).length;
    const { since, until } = exclusion ?? { since: 0, until: 0 };
    const whileOut = gateway.reached.filter(({ at }) => at >= outFrom && at < until).length;
    expect(since).toBeGreaterThan(badFrom);
    expect(tellerRow(back)).toMatchObject({ exclusions: 1, exclusion: { since, until }, latch: null });
    expect(whileBad).toBeLessThan(REQUESTS / 10);
    expect(whileOut).toBeLessThanOrEqual(3 * CONCURRENCY);
    const requestsIn = expectRouted(
      sent.filter(({ sentAt }) => sentAt > outFrom),
      back,
    );
    for (const share of [...PROBATION_SHARES, 100]) expect(requestsIn(share)).toBeGreaterThan(50);
    print(`${turns}: ${sent.length} requests, ${whileBad} reached it while bad, ${whileOut} while out`);
  },
);

/** Every answer belongs to its request. One gateway saw each request once; a second one did only if the answer says so. */
function expectAnsweredOnce(sent: readonly Sent[], gateway: FaultyGateway, servedBefore: number): void {
  const first = gateway.reached.map(({ requestId }) => requestId);
  const second = other.reached.slice(servedBefore).map(({ requestId }) => requestId);
  expect(new Set(first).size).toBe(first.length);
  expect(new Set(second).size).toBe(second.length);
  const seen = { openai: new Set(first), anthropic: new Set(second) };
  for (const { requestId, answer } of sent) {
    const { provider, passedOver = [], body = Buffer.of() } = answer ?? {};
    expect(Buffer.from(body).toString()).toBe(textFor(requestId));
    const asked = [provider, ...passedOver.filter(({ envelopes }) => envelopes > 0).map((it) => it.provider)];
    expect([seen.openai.has(requestId), seen.anthropic.has(requestId)]).toEqual([
      asked.includes("openai"),
      asked.includes("anthropic"),
    ]);
  }
}

/** The share of openai decides which provider gets each request first. @returns how many requests of a share were checked */
function expectRouted(sent: readonly Sent[], openai: ProviderTrust): (share: number) => number {
  const shares = sent.map(({ requestId, sentAt, answer }) => {
    const share = trustShare(openai, sentAt);
    if (share !== trustShare(openai, sentAt + TURN_MS)) return undefined;
    const isIts = isInside(trustLabel("openai"), requestId, share);
    expect([share, answer?.provider]).toEqual([share, isIts ? "openai" : "anthropic"]);
    return share;
  });
  return (share) => shares.filter((it) => it === share).length;
}

/** Longer than the time between the test's and the client's reading of the clock for one request. */
const TURN_MS = 100;

async function excludedMetric(): Promise<number | undefined> {
  const [scorer] = system.scorers;
  if (scorer === undefined) throw new Error("no scorer");
  return (await readMetric(scorer, "scbe_trust_excluded")).get('provider="openai"');
}

const print = (text: string): void => void process.stdout.write(`  ${text}\n`);
