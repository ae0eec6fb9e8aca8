import type { Answer, Client } from "@scbe/client";
import { eventually } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { faultyGateway, textFor, throwing } from "../kit/faulty-gateway.ts";
import { withBadTag } from "../kit/raw-clients.ts";
import { type System, startSystem } from "../kit/system.ts";
import { steadyTraffic } from "../kit/traffic.ts";
import { type TrustWatch, tellerRow, watchTrust } from "../kit/trust.ts";

/** Trust outlives its scorers and its readers: openai is latched, anthropic has failed twice, and xai serves. */

const stack = new AsyncDisposableStack();
let system: System;
let orchestrator: Client;
let trust: TrustWatch;

const REQUEST = { model: "m", intent: "chat", body: Buffer.from("Hello"), timeoutMs: 20_000 };
const askOf = (provider: string, client = orchestrator): Promise<Answer> =>
  client.request({ ...REQUEST, provider });
const DISTRUSTED = { code: "DISTRUSTED" };

beforeAll(async () => {
  const providers = ["openai", "anthropic", "xai"];
  system = stack.use(await startSystem({ providers, envelope: false, scorer: 2, controller: true }));
  orchestrator = stack.use(await system.orchestrator());
  trust = stack.use(await watchTrust(system));
  const openai = stack.use(
    await faultyGateway(system, "openai", {
      script: (gateway, arrival, { response }) => {
        gateway.answer(arrival, withBadTag(gateway.seal(arrival, "")));
        gateway.answer(arrival, response);
      },
    }),
  );
  const anthropic = stack.use(await faultyGateway(system, "anthropic", throwing));
  stack.use(await faultyGateway(system, "xai", throwing));
  await askOf("openai");
  openai.isBad = true;
  await expect(askOf("openai")).rejects.toMatchObject({ name: "ScbeError" });
  anthropic.isBad = true;
  for (const _ of [1, 2]) await expect(askOf("anthropic")).rejects.toMatchObject({ code: "HANDLER_FAILED" });
  await trust.until("openai", ({ latch }) => latch !== null);
  await trust.until("anthropic", (it) => tellerRow(it).samples === 2);
});
afterAll(() => stack.disposeAsync());

/** The trust in the providers that get no more requests. */
const known = (): unknown[] => ["openai", "anthropic"].map((provider) => trust.of(provider));
const latches = (): unknown => trust.of("openai").latch;

test("when every scorer is killed and restarted under traffic, no request fails, and each latch, all evidence and every outcome is kept", async () => {
  const before = known();
  expect(before).toMatchObject([
    { latch: { cause: "bound_response_fails" } },
    { tellers: { orchestrator: { w: 3.218 } }, latch: null },
  ]);
  await using traffic = steadyTraffic({ concurrency: 4, everyMs: 10 }, (requestId) =>
    orchestrator.request({ ...REQUEST, requestId, providers: ["openai", "xai", "anthropic"] }),
  );
  await traffic.more(200);
  await Promise.all(system.scorers.map((scorer) => scorer.kill()));
  const seq = trust.document?.stream.seq ?? 0;
  await traffic.more(200);
  expect(known()).toEqual(before);
  await Promise.all(system.scorers.map((scorer) => scorer.restart()));
  await eventually(() => (trust.document?.stream.seq ?? 0) > seq, { timeoutMs: 20_000 });
  await traffic.more(200);
  await traffic.end();
  const { sent } = traffic;
  expect(sent.filter(({ error }) => error !== undefined)).toEqual([]);
  const own = sent.filter(
    ({ requestId, answer }) => Buffer.from(answer?.body ?? []).toString() === textFor(requestId),
  );
  expect(own).toHaveLength(sent.length);
  expect(new Set(sent.map(({ answer }) => answer?.provider))).toEqual(new Set(["xai"]));
  await trust.until("xai", (it) => tellerRow(it).samples === sent.length);
  expect(known()).toEqual(before);
});

test("without a scorer, running clients keep their trust, and a new client refuses the latched provider from its first request on", async () => {
  await Promise.all(system.scorers.map((scorer) => scorer.kill()));
  const latch = latches();
  await expect(askOf("openai")).rejects.toMatchObject(DISTRUSTED);
  for (const _ of [1, 2, 3, 4, 5]) {
    await using fresh = await system.orchestrator();
    await expect(askOf("openai", fresh)).rejects.toMatchObject(DISTRUSTED);
    await expect(askOf("xai", fresh)).resolves.toMatchObject({ provider: "xai" });
  }
  expect(latches()).toEqual(latch);
});
