import type { Answer, Client } from "@scbe/client";
import { subjectOf } from "@scbe/contracts";
import { connectProbe, eventually } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuditRow, ControlApi } from "../kit/control-api.ts";
import { forging, type TurningGateway, throwing, turningGateway } from "../kit/faulty-gateway.ts";
import { type System, startSystem } from "../kit/system.ts";
import { type Sent, steadyTraffic } from "../kit/traffic.ts";
import { type TrustTeller, type TrustWatch, trustTeller, watchTrust } from "../kit/trust.ts";

/** Two orchestrators, `orchestrator` and `batch`, each a user of its own: what one tells holds for itself, what both tell for all. */
const stack = new AsyncDisposableStack();
let system: System;
let api: ControlApi;
let orchestrator: Client;
let batch: Client;
let trust: TrustWatch;
let own: TrustTeller;
let other: TrustTeller;
let openai: TurningGateway;

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
  openai = stack.use(await turningGateway(system, "openai", forging));
  stack.use(await turningGateway(system, "anthropic", throwing));
  trust = stack.use(await watchTrust(system));
  own = stack.use(await trustTeller(system));
  other = stack.use(await trustTeller(system, "batch"));
}, 180_000);
afterAll(() => stack.disposeAsync());

const ask = (requestId: string, client = orchestrator): Promise<Answer> =>
  client.request({ ...REQUEST, requestId, providers: PROVIDERS });
const asks = (client: Client): Promise<Answer> => ask(crypto.randomUUID(), client);
const servedBy = (sent: readonly Sent[]): unknown[] => [
  ...new Set(sent.map(({ answer, error }) => error ?? answer?.provider)),
];
const passedOver = [{ provider: "openai", code: "DISTRUSTED", envelopes: 0 }];

/** What the scorer and the controller say of openai by themselves, in their order. */
async function audited(): Promise<readonly AuditRow[]> {
  return (await api.audit()).filter(({ by }) => by === "trust-scorer").toReversed();
}

test("what one tells, be it failures, a flood of successes or an integrity failure, moves nothing that the other sends; its own clients obey it at once", async () => {
  await asks(orchestrator);
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
  await eventually(async () => (await asks(batch)).provider === "anthropic", LONG);
  await expect(batch.request({ ...REQUEST, provider: "openai" })).rejects.toMatchObject({
    code: "DISTRUSTED",
  });
  expect(await asks(orchestrator)).toMatchObject({ provider: "openai", passedOver: [] });
  expect(await audited()).toEqual([]);
});

test("one cannot tell under the other's name, nor for a provider that is not its own", async () => {
  await using probe = await connectProbe({ name: "batch", transport: system.transport("batch") });
  const foreign = [
    subjectOf("trustTell", { user: "orchestrator", provider: "openai" }),
    subjectOf("outcome", { user: "orchestrator", provider: "openai" }),
    subjectOf("trustTell", { user: "batch", provider: "xai" }),
  ];
  expect(await probe.refusedPublishes(foreign)).toEqual(new Set(foreign));
});

test("both agreeing on its quality excludes it for all, and the audit names them", async () => {
  await own.failures("openai", 6);
  await eventually(async () => (await api.trustScores("openai")).share === 0, LONG);
  expect(await asks(orchestrator)).toMatchObject({ provider: "anthropic", passedOver });
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

test("an administrator's word holds for both, and the audit names them", async () => {
  await api.trust({ provider: "openai", trust_score: 1 });
  const { tellers } = await api.trustScores("openai");
  expect(tellers).toMatchObject([
    { teller: "batch", share: 100 },
    { teller: "orchestrator", share: 100 },
  ]);
  const own = tellers[0]?.latch?.event ?? "";
  await api.trust({ provider: "openai", clears: own });
  await eventually(async () => (await asks(batch)).provider === "openai", LONG);
  expect(await asks(orchestrator)).toMatchObject({ provider: "openai" });
  const entry = (await api.audit()).find(({ by, action }) => action === "trust" && by === "admin");
  expect(entry).toMatchObject({ after: { tellers: [{ teller: "batch" }, { teller: "orchestrator" }] } });
});

test("a provider whose answers both see forged is refused by each at its own first one, and then for all, and the audit names both", async () => {
  openai.isBad = true;
  const before = openai.reached.length;
  expect(await asks(orchestrator)).toMatchObject({
    provider: "anthropic",
    passedOver: [{ code: "DISTRUSTED" }],
  });
  expect(await asks(orchestrator)).toMatchObject({ provider: "anthropic", passedOver });
  expect(openai.reached.length).toBe(before + 1);
  await eventually(async () => (await api.trustScores("openai")).missing.latch === 1, LONG);
  expect((await api.trustScores("openai")).latch).toBeNull();
  expect(await asks(batch)).toMatchObject({ provider: "anthropic", passedOver: [{ code: "DISTRUSTED" }] });
  const { latch } = await trust.until("openai", (it) => it.latch !== null);
  expect(latch).toMatchObject({ cause: "bound_response_fails", tellers: ["batch", "orchestrator"] });
  await eventually(async () => (await audited()).length === 2, LONG);
  expect((await audited())[1]?.reason).toMatch(/^openai: latched for all: .* by batch, orchestrator, event /);
  openai.isBad = false;
  await api.trust({ provider: "openai", clears: latch?.event ?? "" });
  for (const client of [orchestrator, batch])
    await eventually(async () => (await asks(client)).provider === "openai", LONG);
});
