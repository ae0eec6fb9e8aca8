import type { Answer, Client } from "@scbe/client";
import { subjectOf } from "@scbe/contracts";
import { connectProbe, eventually } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuditRow, ControlApi } from "../kit/control-api.ts";
import { type FaultyGateway, faultyGateway, forging, throwing } from "../kit/faulty-gateway.ts";
import { type System, startSystem } from "../kit/system.ts";
import { type Sent, steadyTraffic } from "../kit/traffic.ts";
import { type TrustReporter, type TrustWatch, trustReporter, watchTrust } from "../kit/trust.ts";

/** Two orchestrators, `orchestrator` and `batch`, are two users: reports of one apply to itself, reports of both apply to every caller. */

const stack = new AsyncDisposableStack();
let system: System;
let api: ControlApi;
let orchestrator: Client;
let batch: Client;
let trust: TrustWatch;
let own: TrustReporter;
let other: TrustReporter;
let openai: FaultyGateway;

const PROVIDERS = ["openai", "anthropic"];
const REQUEST = { model: "m", intent: "chat", body: Buffer.from("Hello"), timeoutMs: 20_000 };
const LONG = { timeoutMs: 20_000 };

beforeAll(async () => {
  const users = [{ name: "batch", role: "orchestrator" as const, providers: PROVIDERS }];
  const variables = { SCBE_TRUST_EXCLUSION_MS: "600000", SCBE_TRUST_EXCLUSION_MAX_MS: "600000" };
  system = stack.use(
    await startSystem({
      providers: PROVIDERS,
      envelope: false,
      controller: true,
      scorer: true,
      users,
      variables,
    }),
  );
  api = new ControlApi(system);
  orchestrator = stack.use(await system.orchestrator());
  batch = stack.use(await system.orchestrator({ name: "batch", transport: system.transport("batch") }));
  openai = stack.use(await faultyGateway(system, "openai", forging));
  stack.use(await faultyGateway(system, "anthropic", throwing));
  trust = stack.use(await watchTrust(system));
  own = stack.use(await trustReporter(system));
  other = stack.use(await trustReporter(system, "batch"));
}, 180_000);
afterAll(() => stack.disposeAsync());

const ask = (requestId: string, client = orchestrator): Promise<Answer> =>
  client.request({ ...REQUEST, requestId, providers: PROVIDERS });
const requestAny = (client: Client): Promise<Answer> => ask(crypto.randomUUID(), client);
const servedBy = (sent: readonly Sent[]): unknown[] => [
  ...new Set(sent.map(({ answer, error }) => error ?? answer?.provider)),
];
const passedOver = [{ provider: "openai", code: "DISTRUSTED", envelopes: 0 }];

/** The audit entries of the trust scorer about openai, in order. */
async function audited(): Promise<readonly AuditRow[]> {
  return (await api.audit()).filter(({ by }) => by === "trust-scorer").toReversed();
}

test("reports of one user, whether failures, a flood of successes or an integrity failure, apply at once to its own clients and never to the other user", async () => {
  await requestAny(orchestrator);
  await using traffic = steadyTraffic({ concurrency: 2, everyMs: 10 }, (id) => ask(id));
  await traffic.more(50);
  await other.failures("openai", 8);
  await other.integrity("openai");
  await other.successes("anthropic", 10_000);
  const row = await eventually(async () => {
    const it = await api.trustScores("openai");
    return it.tellers.some(({ teller, latch }) => teller === "batch" && latch !== null) && it;
  }, LONG);
  expect(row).toMatchObject({
    ...{ trust_score: 1, share: 100, latch: null },
    ...{ quorum: { needs: 2, of: 2 }, missing: { exclusion: 1, latch: 1 } },
  });
  expect(row.tellers).toMatchObject([
    { teller: "batch", share: 0, latch: { event: expect.any(String) } },
    { teller: "orchestrator", share: 100, latch: null },
  ]);
  await traffic.more(100);
  await traffic.end();
  expect(servedBy(traffic.sent)).toEqual(["openai"]);
  await eventually(async () => (await requestAny(batch)).provider === "anthropic", LONG);
  await expect(batch.request({ ...REQUEST, provider: "openai" })).rejects.toMatchObject({
    code: "DISTRUSTED",
  });
  expect(await requestAny(orchestrator)).toMatchObject({ provider: "openai", passedOver: [] });
  expect(await audited()).toEqual([]);
});

test("a user cannot report under another name, or about a provider that it may not call", async () => {
  await using probe = await connectProbe({ name: "batch", transport: system.transport("batch") });
  const foreign = [
    subjectOf("trustTell", { user: "orchestrator", provider: "openai" }),
    subjectOf("outcome", { user: "orchestrator", provider: "openai" }),
    subjectOf("trustTell", { user: "batch", provider: "xai" }),
  ];
  expect(await probe.refusedPublishes(foreign)).toEqual(new Set(foreign));
});

test("two users that report failures exclude the provider for every caller, and the audit names both", async () => {
  await own.failures("openai", 6);
  await eventually(async () => (await api.trustScores("openai")).share === 0, LONG);
  expect(await requestAny(orchestrator)).toMatchObject({ provider: "anthropic", passedOver });
  const [entry] = await eventually(async () => {
    const entries = await audited();
    return entries.length > 0 && entries;
  }, LONG);
  expect(entry).toMatchObject({
    ...{
      action: "trust",
      reason: expect.stringMatching(/^openai: excluded for all .* by batch, orchestrator$/),
    },
    after: { missing: { exclusion: 0, latch: 1 } },
  });
});

test("an administrator's override applies to both users, and the audit names the administrator", async () => {
  await api.trust({ provider: "openai", trust_score: 1 });
  const { tellers } = await api.trustScores("openai");
  expect(tellers).toMatchObject([
    { teller: "batch", share: 100 },
    { teller: "orchestrator", share: 100 },
  ]);
  const own = tellers[0]?.latch?.event ?? "";
  await api.trust({ provider: "openai", clears: own });
  await eventually(async () => (await requestAny(batch)).provider === "openai", LONG);
  expect(await requestAny(orchestrator)).toMatchObject({ provider: "openai" });
  const entry = (await api.audit()).find(({ by, action }) => action === "trust" && by === "admin");
  expect(entry).toMatchObject({ after: { tellers: [{ teller: "batch" }, { teller: "orchestrator" }] } });
});

test("each user refuses a provider at its own first forged answer, the provider is latched for every caller after both, and the audit names both", async () => {
  openai.isBad = true;
  const before = openai.reached.length;
  expect(await requestAny(orchestrator)).toMatchObject({
    provider: "anthropic",
    passedOver: [{ code: "DISTRUSTED" }],
  });
  expect(await requestAny(orchestrator)).toMatchObject({ provider: "anthropic", passedOver });
  expect(openai.reached.length).toBe(before + 1);
  await eventually(async () => (await api.trustScores("openai")).missing.latch === 1, LONG);
  expect((await api.trustScores("openai")).latch).toBeNull();
  expect(await requestAny(batch)).toMatchObject({
    provider: "anthropic",
    passedOver: [{ code: "DISTRUSTED" }],
  });
  const { latch } = await trust.until("openai", (it) => it.latch !== null);
  expect(latch).toMatchObject({ cause: "bound_response_fails", tellers: ["batch", "orchestrator"] });
  await eventually(async () => (await audited()).length === 2, LONG);
  expect((await audited())[1]?.reason).toMatch(/^openai: latched for all: .* by batch, orchestrator, event /);
  openai.isBad = false;
  await api.trust({ provider: "openai", clears: latch?.event ?? "" });
  for (const client of [orchestrator, batch])
    await eventually(async () => (await requestAny(client)).provider === "openai", LONG);
});
