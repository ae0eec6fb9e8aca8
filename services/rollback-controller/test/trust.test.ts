import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LONG, PROVIDERS } from "./core-controller.ts";
import { type ControllerProcess, launchController, TOKEN } from "./core-process.ts";
import { connectTeller, launchScorer } from "./trust-process.ts";

/** The runbook's lines, word for word. */
const RUNBOOK = {
  view: "curl -s https://api.company.com/metrics/scbe/trust-scores | jq '.'",
  adjust: `curl -X POST https://api.company.com/admin/scbe/trust \\
  -H "Authorization: Bearer $ADMIN_TOKEN" \\
  -d '{
    "provider": "openai",
    "trust_score": 0.95,
    "reason": "Manual calibration after incident resolution"
  }'`,
} as const;
/** For machines without it. */
const JQ = "command -v jq >/dev/null || jq() { cat; }";

let nats: SecuredNats;
let scorer: Awaited<ReturnType<typeof launchScorer>>;
let controller: ControllerProcess;
let teller: Awaited<ReturnType<typeof connectTeller>>;

beforeAll(async () => {
  nats = await startSecuredNats({ providers: [...PROVIDERS] });
  [scorer, controller, teller] = await Promise.all([
    launchScorer(nats),
    launchController(nats),
    connectTeller(nats),
  ]);
  await controller.ready();
}, 60_000);
afterAll(async () => {
  await teller?.[Symbol.asyncDispose]();
  await controller?.[Symbol.asyncDispose]();
  await scorer?.[Symbol.asyncDispose]();
  await nats?.[Symbol.asyncDispose]();
});

async function run(line: string) {
  const command = line.replaceAll("https://api.company.com", await controller.url());
  const env = { PATH: process.env.PATH, ADMIN_TOKEN: TOKEN };
  const { stdout } = await promisify(execFile)("bash", ["-c", `${JQ}\n${command}`], { env });
  return JSON.parse(stdout);
}

async function order(body: object, at = controller) {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const url = `${await at.url()}/admin/scbe/trust`;
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  // biome-ignore lint/suspicious/noExplicitAny: each test states the shape it expects
  return { status: answer.status, body: (await answer.json()) as any };
}

const scores = () => run(RUNBOOK.view);
const rowOf = async (provider: string) =>
  (await scores()).providers.find((row: { provider: string }) => row.provider === provider);

async function audited() {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const url = `${await controller.url()}/audit?limit=10`;
  const { entries } = (await (await fetch(url, { headers })).json()) as {
    entries: { action: string; by: string; reason: string; before: unknown; after: unknown }[];
  };
  return entries.filter(({ action }) => action === "trust");
}

const common = (provider: string) => ({ v: 1, id: randomUUID(), provider, at: Date.now() }) as const;

async function latch(provider: string): Promise<string> {
  const event = { ...common(provider), kind: "integrity", cause: "bound_response_fails" } as const;
  await teller.tell(event);
  await eventually(async () => (await rowOf(provider)).latch?.event === event.id, LONG);
  return event.id;
}

describe("the runbook's lines, in a real shell with a real curl", () => {
  test("show the trust of every provider", async () => {
    const shown = await eventually(async () => {
      const it = await scores();
      return it.heard && it.stream !== null && it;
    }, LONG);
    expect(shown).toMatchObject({ scbe_trust_score_avg: 1, note: null });
    expect(shown.providers).toMatchObject(
      PROVIDERS.map((provider) => ({ provider, trust_score: 1, share: 100 })),
    );
  });

  test("set the trust of one, which is in force when they return, and in the audit with the value before", async () => {
    const reason = "Manual calibration after incident resolution";
    const calibration = { score: 0.95, reason, at: expect.any(String) };
    const answer = await run(RUNBOOK.adjust);
    expect(answer).toMatchObject({ provider: "openai", applied: true, warnings: [], calibration });
    expect(answer.trust_score).toBeCloseTo(0.95, 9);
    expect((await scores()).scbe_trust_score_avg).toBeCloseTo(0.975, 9);
    const [entry] = await eventually(async () => {
      const entries = await audited();
      return entries.length > 0 && entries;
    }, LONG);
    expect(entry).toMatchObject({
      ...{ by: "admin", reason },
      before: { provider: "openai", trust_score: 1, calibration: null },
      after: { provider: "openai", calibration },
    });
  });
});

describe("a latch", () => {
  test("stays with any score, and the command in the answer clears it", async () => {
    const event = await latch("xai");
    expect(await rowOf("xai")).toMatchObject({
      ...{ trust_score: 0, share: 0, ledger: "integrity", cause: "bound_response_fails", until: null },
    });
    const scored = await order({ provider: "xai", trust_score: 1, reason: "looked at it" });
    expect([scored.status, scored.body.applied, scored.body.latch.event]).toEqual([200, true, event]);
    const command = JSON.parse(/\{.*\}/.exec(scored.body.warnings[0])?.[0] ?? "null");
    const cleared = await order({ ...command, reason: "the key was changed" });
    expect(cleared).toMatchObject({
      status: 200,
      body: { applied: true, latch: null, trust_score: 1, warnings: [] },
    });
  });

  test("is not cleared by the event of another one; the answer names the current one", async () => {
    const first = await latch("xai");
    const second = await latch("xai");
    const refused = await order({ provider: "xai", clears: first, reason: "the first one" });
    expect(refused).toMatchObject({
      status: 409,
      body: { code: "CONFLICT", title: expect.stringContaining(second) },
    });
    const both = await order({ provider: "xai", clears: second, trust_score: 0.5, reason: "the second one" });
    expect(both).toMatchObject({ status: 200, body: { latch: null, trust_score: 0.5 } });
    expect((await order({ provider: "xai", clears: second, reason: "again" })).status).toBe(409);
  });
});

test("a provider that is out for its quality comes back by a person's override", async () => {
  for (let failures = 0; failures < 5; failures += 1)
    await teller.tell({ ...common("openai"), kind: "outcome", result: "timeout", count: 1, latency_ms: 9 });
  const out = await eventually(async () => {
    const row = await rowOf("openai");
    return row.share === 0 && row;
  }, LONG);
  expect(out).toMatchObject({ ledger: "quality", cause: "outcomes", tellers: [{ exclusions: 1 }] });
  expect(Date.parse(out.until) - Date.parse(out.since)).toBe(30_000);
  const { body } = await order({ provider: "openai", trust_score: 1, reason: "mended" });
  expect(body).toMatchObject({ trust_score: 1, share: 100, ledger: null, tellers: [{ exclusions: 0 }] });
});

test("an override that is sent while no scorer runs outlives its controller, and is in force once a scorer runs", async () => {
  await scorer[Symbol.asyncDispose]();
  const late = await order({ provider: "openai", trust_score: 0.25, reason: "while no scorer runs" });
  expect(late).toMatchObject({
    status: 202,
    body: {
      applied: false,
      trust_score: 1,
      warnings: [expect.stringContaining("it is kept, and holds as soon as")],
    },
  });
  await eventually(async () => (await scores()).heard === false, LONG);
  expect((await scores()).note).toContain("the last known trust applies");
  const { running } = controller;
  await running.kill();
  controller = await launchController(nats);
  await controller.ready();
  await eventually(() => controller.leads(), LONG);
  await eventually(async () => (await controller.metric("scbe_trust_words_waiting")) === 1, LONG);
  expect(await (await fetch(`${await controller.opsUrl()}/readyz`)).text()).toContain(
    "trust overrides that wait for a trust scorer: 1",
  );
  scorer = await launchScorer(nats);
  await eventually(async () => (await rowOf("openai")).trust_score === 0.25, LONG);
  expect(await rowOf("openai")).toMatchObject({ calibration: { reason: "while no scorer runs" } });
  await eventually(async () => (await controller.metric("scbe_trust_words_waiting")) === 0, LONG);
  const again = await order({ provider: "openai", trust_score: 0, reason: "now there is one" });
  expect(again).toMatchObject({ status: 200, body: { applied: true, trust_score: 0 } });
}, 90_000);

test("without the store overrides are answered 503, and every provider is shown as trusted", async () => {
  await using bare = await startSecuredNats({ providers: [...PROVIDERS], provisioned: false });
  await using alone = await launchController(bare);
  const shown = await eventually(async () => {
    const answer = await fetch(`${await alone.url()}/metrics/scbe/trust-scores`);
    return answer.ok && (await answer.json());
  }, LONG);
  expect(shown).toMatchObject({ heard: false, stream: null, scbe_trust_score_avg: 1 });
  const score = await order({ provider: "openai", trust_score: 0, reason: "x" }, alone);
  expect(score).toMatchObject({
    ...{
      status: 503,
      body: { code: "NOT_READY", title: expect.stringContaining("nothing of this one was kept") },
    },
  });
  const clearing = await order({ provider: "openai", clears: "e1", reason: "x" }, alone);
  expect(clearing).toMatchObject({
    ...{ status: 503, body: { code: "NOT_READY", title: expect.stringContaining("no latch is known") } },
  });
}, 60_000);
