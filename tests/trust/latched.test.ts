import type { Answer, Client } from "@scbe/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import {
  type BadScript,
  type FaultyGateway,
  faultyGateway,
  forging,
  textFor,
  throwing,
} from "../kit/faulty-gateway.ts";
import { type System, startSystem } from "../kit/system.ts";
import { steadyTraffic } from "../kit/traffic.ts";
import { type TrustWatch, watchTrust } from "../kit/trust.ts";

/** A response that only the provider's gateway can make, and that does not open, latches the provider until an administrator clears it. */

const stack = new AsyncDisposableStack();
let system: System;
let api: ControlApi;
let orchestrator: Client;
let trust: TrustWatch;
let openai: FaultyGateway;

beforeAll(async () => {
  const variables = { SCBE_TRUST_EXCLUSION_MS: "300", SCBE_TRUST_EXCLUSION_MAX_MS: "300" };
  system = stack.use(await startSystem({ envelope: false, controller: true, scorer: true, variables }));
  api = new ControlApi(system);
  orchestrator = stack.use(await system.orchestrator());
  openai = stack.use(await faultyGateway(system, "openai", forging));
  stack.use(await faultyGateway(system, "anthropic", throwing));
  trust = stack.use(await watchTrust(system));
});
afterAll(() => stack.disposeAsync());

const REQUEST = { model: "m", intent: "chat", body: Buffer.from("Hello"), timeoutMs: 20_000 };
const CONCURRENCY = 4;

const ask = (requestId: string): Promise<Answer> =>
  orchestrator.request({ ...REQUEST, requestId, providers: ["openai", "anthropic"] });
const onlyOpenai = (client: Client): Promise<Answer> => client.request({ ...REQUEST, provider: "openai" });
const DISTRUSTED = { code: "DISTRUSTED" };

test("a response that is bound to its request and does not open takes its provider out for every caller, until an administrator clears that event", async () => {
  await using traffic = steadyTraffic({ concurrency: CONCURRENCY, everyMs: 10 }, ask);
  await traffic.more(100);
  openai.isBad = true;
  const { latch } = await trust.until("openai", (it) => it.latch !== null);
  openai.isBad = false;
  expect(latch).toMatchObject({ cause: "bound_response_fails" });

  await traffic.more(2 * CONCURRENCY);
  const reached = openai.reached.length;
  await traffic.more(300);
  await expect(onlyOpenai(orchestrator)).rejects.toMatchObject(DISTRUSTED);
  await using another = await system.orchestrator();
  await expect(onlyOpenai(another)).rejects.toMatchObject(DISTRUSTED);
  await api.trust({ provider: "openai", trust_score: 1 });
  await trust.until("openai", ({ calibration }) => calibration !== null);
  const wrong = api.trust({ provider: "openai", clears: crypto.randomUUID() });
  await expect(wrong).rejects.toThrow("409");
  await expect(onlyOpenai(orchestrator)).rejects.toMatchObject(DISTRUSTED);
  expect(trust.of("openai").latch).toMatchObject({ cause: "bound_response_fails" });
  expect(openai.reached.length).toBe(reached);

  await api.trust({ provider: "openai", clears: trust.of("openai").latch?.event ?? "" });
  await trust.until("openai", (it) => it.latch === null);
  const clearedAt = traffic.sent.length;
  await traffic.more(100);
  await traffic.end();
  const answers = traffic.sent.map(({ requestId, answer }) => ({
    isOwn: Buffer.from(answer?.body ?? []).toString() === textFor(requestId),
    provider: answer?.provider,
  }));
  expect(traffic.sent.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(answers.every(({ isOwn }) => isOwn)).toBe(true);
  const after = answers.slice(clearedAt + CONCURRENCY);
  expect(new Set(after.map(({ provider }) => provider))).toEqual(new Set(["openai"]));
});

test("one such response ends its request at once, and the genuine answer after it is not used", async () => {
  const forgingAndTrue: BadScript = {
    script: (gateway, arrival, before) => {
      forging.script(gateway, arrival, before);
      gateway.answer(arrival, gateway.seal(arrival, "true"));
    },
  };
  await using gateway = await faultyGateway(system, "openai", forgingAndTrue);
  await openai[Symbol.asyncDispose]();
  await onlyOpenai(orchestrator);
  gateway.isBad = true;
  await expect(onlyOpenai(orchestrator)).rejects.toMatchObject(DISTRUSTED);
  await trust.until("openai", (it) => it.latch !== null);
  await expect(onlyOpenai(orchestrator)).rejects.toMatchObject(DISTRUSTED);
  expect(gateway.reached).toHaveLength(2);
});
