import { ScbeError } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import { eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PROVIDERS, postOf, type Stage, startStage } from "./rollback-stage.ts";

/** One for each test: the bucket remembers processed alerts by provider. */
const OF_TESTS = Array.from({ length: 60 }, (_, index) => `p${index}`);
const REPEAT_MS = 60_000;
const MIB = 1024 * 1024;

let nats: SecuredNats;
let stages: AsyncDisposableStack;
let provider = "";

const start = async (options: Partial<Parameters<typeof startStage>[0]> = {}): Promise<Stage> =>
  stages.use(await startStage({ nats, ...options, config: { SCBE_PROVIDERS: OF_TESTS, ...options.config } }));

/** A stopped wall clock. */
const testClock = () => {
  const clock = { wall: Date.now(), now: () => clock.wall, monotonic: systemClock.monotonic };
  return clock;
};

beforeAll(async () => {
  nats = await startSecuredNats({ providers: [...PROVIDERS] });
});
beforeEach(() => {
  stages = new AsyncDisposableStack();
  provider = OF_TESTS.shift() ?? "";
  OF_TESTS.push(provider);
});
afterEach(() => stages.disposeAsync());
afterAll(() => nats[Symbol.asyncDispose]());

/** Waits until the controller knows whether the firing is active. */
const untilListed = (stage: Stage, isListed = true) =>
  eventually(() => stage.rollback.firings.list().some((row) => row.provider === provider) === isListed);

describe("a post of Alertmanager", () => {
  test("is answered 200 once its kill was sent, and audited", async () => {
    const { webhook, plane, audit, metric } = await start();
    const answer = await webhook.receive(postOf("SCBEGCMFailureRate", provider));
    expect(answer).toEqual({ status: 200, body: { killed: 1 } });
    expect(plane.orders).toEqual([
      {
        provider,
        cause: "integrity",
        by: `alert:SCBEGCMFailureRate:${provider}`,
        reason: "SCBEGCMFailureRate says so",
      },
    ]);
    await eventually(() => audit.records.length === 1);
    expect(audit.records).toMatchObject([
      {
        action: "webhook",
        by: "alertmanager",
        reason: `firing: SCBEGCMFailureRate:${provider}`,
        after: { firing: [`SCBEGCMFailureRate:${provider}`] },
      },
    ]);
    expect(await metric("scbe_rollback_alerts_total", { result: "killed" })).toBe(1);
  });

  test("is answered 503 while the kill cannot be sent, and acts when it is sent again", async () => {
    const { webhook, plane, audit, rollback } = await start();
    const post = postOf("SCBEPhaseSkew", provider);
    plane.before = () => Promise.reject(new ScbeError("DISCONNECTED", "the link is down"));
    expect(await webhook.receive(post)).toMatchObject({ status: 503, body: { code: "NOT_READY" } });
    expect(rollback.firings.list().filter((row) => row.provider === provider)).toEqual([]);
    plane.before = () => Promise.resolve();
    expect(await webhook.receive(post)).toMatchObject({ status: 200, body: { killed: 1 } });
    await eventually(() => audit.records.length === 1);
    expect(plane.orders).toHaveLength(1);
  });

  test("that two controllers get at once is audited once", async () => {
    const [left, right] = [await start(), await start()];
    const post = postOf("SCBEGCMFailureRate", provider);
    const answers = await Promise.all([left, right].map(({ webhook }) => webhook.receive(post)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const resolved = postOf("SCBEGCMFailureRate", provider, { status: "resolved" });
    await untilListed(left);
    await left.webhook.receive(resolved);
    const reasons = () => [...left.audit.records, ...right.audit.records].map(({ reason }) => reason);
    const name = `SCBEGCMFailureRate:${provider}`;
    await eventually(() => reasons().includes(`resolved: ${name}`));
    expect(reasons().toSorted()).toEqual([`firing: ${name}`, `resolved: ${name}`]);
  });

  test("of a resolved alert switches nothing back on", async () => {
    const { webhook, plane, audit } = await start();
    await webhook.receive(postOf("SCBEGCMFailureRate", provider));
    await eventually(() => audit.records.length === 1);
    const resolved = postOf("SCBEGCMFailureRate", provider, { status: "resolved" });
    expect(await webhook.receive(resolved)).toMatchObject({ status: 200, body: { resolved: 1 } });
    expect(plane.current?.state.kill_switch.providers[provider]?.cause).toBe("integrity");
    await eventually(() => audit.records.length === 2);
  });

  test.each([
    ["no JSON", "{"],
    ["empty", ""],
    ["without a trigger, and too long", JSON.stringify(postOf("Other", "xai", { pad: "x".repeat(MIB) }))],
    ["without a trigger, and of another version", { ...postOf("Other"), version: "3" }],
  ])("that is %s is answered 400, and does nothing", async (_case, body) => {
    const { webhook, plane, audit } = await start();
    const answer = await webhook.receive(body);
    expect(answer).toEqual({ status: 400, body: { code: "BAD_REQUEST", title: expect.any(String) } });
    expect([plane.orders, audit.records]).toEqual([[], []]);
  });

  test("is answered 503 while too many are processed, and none of those is lost", async () => {
    const { webhook, plane } = await start();
    const { promise, resolve } = Promise.withResolvers<void>();
    plane.before = () => promise;
    const posts = Array.from({ length: 33 }, () => webhook.receive(postOf("SCBEPhaseSkew", provider)));
    expect((await posts[32])?.status).toBe(503);
    resolve();
    const statuses = (await Promise.all(posts)).map(({ status }) => status);
    expect(statuses.filter((it) => it === 200)).toHaveLength(32);
  });

  test("with unreadable alerts counts each of them, and acts on the others", async () => {
    const { webhook, plane, metric } = await start();
    const { alerts, ...post } = postOf("SCBEHighLatency", provider);
    const body = { ...post, groupLabels: {}, alerts: [null, { labels: 5 }, ...alerts, "nonsense"] };
    expect(await webhook.receive(body)).toMatchObject({ status: 200, body: { unreadable: 3 } });
    expect(plane.orders.map((order) => order.provider)).toContain(provider);
    expect(await metric("scbe_rollback_alerts_total", { result: "unreadable" })).toBe(3);
  });
});

describe("a post is not lost for its size", () => {
  const manyOf = (name: string, count: number, description: string) => ({
    ...postOf(name, provider),
    alerts: Array.from({ length: count }, (_, index) => ({
      ...postOf(name, provider).alerts[0],
      labels: { alertname: name, provider, instance: `${index}` },
      annotations: { description },
    })),
  });

  test.each([
    ["300 alerts with long descriptions", () => manyOf("SCBEHighLatency", 300, "d".repeat(900))],
    ["1,001 small alerts", () => manyOf("SCBEPhaseSkew", 1001, "d")],
    ["more alerts than are read", () => manyOf("SCBEGCMFailureRate", 3000, "d".repeat(1000))],
    ["an alert that is longer than the limit", () => manyOf("SCBEGCMFailureRate", 1, "d".repeat(3 * MIB))],
    [
      "an alert that is cut off, of a group whose labels come first",
      () => {
        const { groupLabels, alerts, ...post } = postOf("SCBEPhaseSkew", provider);
        const [alert] = alerts;
        const late = { status: "firing", annotations: { pad: "d".repeat(2 * MIB) }, labels: alert?.labels };
        return { groupLabels, ...post, alerts: [late] };
      },
    ],
  ])("%s: the provider is switched off, and nothing else", async (_case, body) => {
    const { webhook, plane } = await start();
    expect(await webhook.receive(body())).toMatchObject({ status: 200 });
    expect(plane.orders.map((order) => order.provider)).toEqual([provider]);
  });

  test("one that arrives too slowly is processed as far as it arrived", async () => {
    const { rollback, plane } = await start();
    const text = JSON.stringify(postOf("SCBEPhaseSkew", provider));
    async function* slowly() {
      yield Buffer.from(text.slice(0, text.indexOf('"annotations"')));
      await new Promise(() => undefined);
    }
    const { Readable } = await import("node:stream");
    const answer = await rollback.webhook.receive(Readable.from(slowly(), { objectMode: false }));
    expect(answer).toMatchObject({ status: 200 });
    expect(plane.orders.map((order) => order.provider)).toEqual([provider]);
  });
});

describe("the same firing acts once", () => {
  const replica = (name: string, startsAt: string, status = "firing") => {
    const labels = { alertname: "SCBEPhaseSkew", provider, replica: name };
    return postOf("SCBEPhaseSkew", provider, { labels, startsAt, status, fingerprint: `f-${name}` });
  };

  test("with any start, replica and fingerprint, until every replica has resolved", async () => {
    const stage = await start();
    const { webhook, plane } = stage;
    await webhook.receive(replica("a", "2026-11-01T10:00:30Z"));
    await untilListed(stage);
    plane.release();
    for (const post of [
      replica("a", "2026-11-01T10:00:15Z"),
      replica("b", "2026-11-01T10:00:15Z"),
      replica("a", "2026-11-01T10:00:30Z", "resolved"),
      replica("b", "2026-11-01T10:05:00Z"),
    ])
      expect((await webhook.receive(post)).body).not.toHaveProperty("killed");
    expect(plane.orders).toHaveLength(1);
    await webhook.receive(replica("b", "2026-11-01T10:00:15Z", "resolved"));
    await untilListed(stage, false);
    expect(await webhook.receive(replica("b", "2026-11-01T10:00:15Z"))).toMatchObject({
      body: { killed: 1 },
    });
  });

  test("by this controller and by others, also after a release and a restart", async () => {
    const post = postOf("SCBEHighLatency", provider);
    const first = await start();
    await first.webhook.receive(post);
    await untilListed(first);
    first.plane.release();
    const second = await start();
    for (const { webhook } of [first, second])
      expect(await webhook.receive(post)).toEqual({ status: 200, body: { known: 1 } });
    expect([first.plane.orders.length, second.plane.orders.length]).toEqual([1, 0]);
  });

  test("also if it arrives before a starting controller has read the processed alerts", async () => {
    const post = postOf("SCBEHighLatency", provider);
    const first = await start();
    await first.webhook.receive(post);
    await untilListed(first);
    const second = await start({ isAwaited: false });
    expect(await second.webhook.receive(post)).toEqual({ status: 200, body: { known: 1 } });
  });

  test("until it was not repeated for twice the repeat interval", async () => {
    const clock = testClock();
    const stage = await start({ clock });
    const post = postOf("SCBEPhaseSkew", provider);
    await stage.webhook.receive(post);
    await untilListed(stage);
    for (let repetition = 0; repetition < 5; repetition += 1) {
      clock.wall += 1.5 * REPEAT_MS;
      expect(await stage.webhook.receive(post)).toMatchObject({ body: { known: 1 } });
      const told = new Date(clock.wall).toISOString();
      await eventually(() => stage.rollback.firings.list().some((row) => row.last_told === told));
    }
    clock.wall += 2 * REPEAT_MS;
    await untilListed(stage, false);
    expect(await stage.webhook.receive(post)).toMatchObject({ body: { killed: 1 } });
  });

  test("and after a storm of other alerts, which stores nothing", async () => {
    // Without notices, which would be recorded too.
    const stage = await start({ isLeading: () => false });
    const { webhook, plane, audit, revision } = stage;
    const post = postOf("SCBEGCMFailureRate", provider);
    await webhook.receive(post);
    await untilListed(stage);
    await eventually(() => audit.records.length === 1);
    plane.release();
    const before = await revision();
    for (let storm = 0; storm < 10; storm += 1) {
      const alerts = Array.from({ length: 1000 }, (_, index) => ({
        ...postOf("Other", provider).alerts[0],
        labels: { alertname: `Other${storm}`, provider, instance: `${index}` },
      }));
      const answer = await webhook.receive({ ...postOf(`Other${storm}`, provider), alerts });
      expect(answer).toEqual({ status: 200, body: { ignored: 1000 } });
    }
    expect(await webhook.receive(post)).toEqual({ status: 200, body: { known: 1 } });
    expect([plane.orders.length, audit.records.length, await revision()]).toEqual([1, 1, before]);
  });

  test("unless an administrator clears it, which is audited by name", async () => {
    const stage = await start();
    const { webhook, plane, audit, rollback } = stage;
    const post = postOf("SCBEPhaseSkew", provider);
    const order = { alertname: "SCBEPhaseSkew", provider, reason: "it was a test" };
    await expect(rollback.firings.clear(order, "ADMIN_TOKEN")).rejects.toMatchObject({ code: "CONFLICT" });
    await webhook.receive(post);
    await untilListed(stage);
    const left = await rollback.firings.clear(order, "ADMIN_TOKEN");
    expect(left.filter((row) => row.provider === provider)).toEqual([]);
    expect(audit.records.at(-1)).toMatchObject({
      action: "alert-clear",
      by: "ADMIN_TOKEN",
      reason: "it was a test",
      before: { alertname: "SCBEPhaseSkew", provider },
    });
    expect(await webhook.receive(post)).toMatchObject({ body: { killed: 1 } });
    expect(plane.orders).toHaveLength(2);
  });
});

test("a kill does not wait for the store: while NATS is away the post is answered, and it is recorded when NATS is back", async () => {
  await using own = await startSecuredNats({ providers: [...PROVIDERS] });
  const { webhook, plane, audit, host, note, rollback } = await start({ nats: own });
  await own.server.kill();
  await eventually(() => !host.bus.connected);
  const post = postOf("SCBENonceReuse", provider);
  for (let n = 0; n < 3; n += 1) expect(await webhook.receive(post)).toMatchObject({ status: 200 });
  expect(plane.orders).toHaveLength(3);
  await eventually(() => note("rollback record") !== undefined);
  expect(host.readiness.report().find(({ name }) => name === "rollback record")?.ok).toBe(true);
  const order = { alertname: "SCBENonceReuse", provider, reason: "a test" };
  await expect(rollback.firings.clear(order, "ADMIN_TOKEN")).rejects.toMatchObject({ code: "CONFLICT" });
  await own.server.restart();
  await eventually(() => audit.records.length === 1, { timeoutMs: 15_000 });
  expect(await webhook.receive(post)).toMatchObject({ body: { known: 1 } });
  await eventually(() => note("rollback record") === undefined);
  expect(audit.records).toHaveLength(1);
});

test("a firing is cleared once the store is back, even if that takes longer than the answer waits", async () => {
  await using own = await startSecuredNats({ providers: [...PROVIDERS] });
  const stage = await start({ nats: own });
  await stage.webhook.receive(postOf("SCBENonceReuse", provider));
  await untilListed(stage);
  await own.server.kill();
  const order = { alertname: "SCBENonceReuse", provider, reason: "a test" };
  await expect(stage.rollback.firings.clear(order, "ADMIN_TOKEN")).rejects.toMatchObject({
    code: "NOT_READY",
  });
  await own.server.restart();
  await eventually(() => stage.audit.records.some(({ action }) => action === "alert-clear"), {
    timeoutMs: 15_000,
  });
  await untilListed(stage, false);
});

describe("the alert that always fires", () => {
  test("has an age, for every controller, and across a restart", async () => {
    await using own = await startSecuredNats({ providers: [...PROVIDERS] });
    let now = Date.now();
    let monotonic = 1000;
    const clock = { now: () => now, monotonic: () => monotonic };
    const first = await start({ nats: own, clock });
    const second = await start({ nats: own, clock });
    expect(first.webhook.lastWatchdogAgeMs()).toBeUndefined();
    await first.webhook.receive(postOf("Watchdog"));
    expect(first.webhook.lastWatchdogAgeMs()).toBe(0);
    await eventually(() => second.webhook.lastWatchdogAgeMs() === 0);
    now += 30_000;
    monotonic += 30_000;
    expect([first.webhook.lastWatchdogAgeMs(), second.webhook.lastWatchdogAgeMs()]).toEqual([30_000, 30_000]);
    const third = await start({ nats: own, clock });
    expect(third.webhook.lastWatchdogAgeMs()).toBe(30_000);
    now -= 3_600_000;
    expect(third.webhook.lastWatchdogAgeMs()).toBeUndefined();
    expect(first.audit.records).toEqual([]);
  });
});

test("an unreadable record starts anew, and the log says so", async () => {
  await using own = await startSecuredNats({ providers: [...PROVIDERS] });
  const stage = await start({ nats: own, clock: systemClock });
  const bucket = await stage.host.store.bucket("SCBE_CONTROL");
  await bucket.create("acted", Buffer.from('{"v":1}'));
  await stage.webhook.receive(postOf("SCBEPhaseSkew", provider));
  await untilListed(stage);
  expect(stage.host.logs.lines).toContainEqual(
    expect.objectContaining({ level: "error", msg: expect.stringContaining("starts anew") }),
  );
});
