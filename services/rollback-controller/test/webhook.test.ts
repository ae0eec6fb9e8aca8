import { ScbeError } from "@scbe/contracts";
import { systemClock } from "@scbe/service-kit";
import { eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PROVIDERS, postOf, type Stage, startStage } from "./rollback-stage.ts";

let nats: SecuredNats;
let stages: AsyncDisposableStack;
let fired = 0;

/** An alert of its own for each test: what was acted on is remembered in the bucket. */
const fresh = (): string => {
  fired += 1;
  return new Date(Date.UTC(2026, 0, 1) + fired).toISOString();
};
const start = async (options: Partial<Parameters<typeof startStage>[0]> = {}): Promise<Stage> => {
  stages ??= new AsyncDisposableStack();
  return stages.use(await startStage({ nats, ...options }));
};

beforeAll(async () => {
  nats = await startSecuredNats({ providers: [...PROVIDERS] });
});
afterEach(async () => {
  await stages?.disposeAsync();
  stages = new AsyncDisposableStack();
});
afterAll(() => nats[Symbol.asyncDispose]());

describe("a post of Alertmanager", () => {
  test("is answered 200 once its kill was sent, and audited", async () => {
    const { webhook, plane, audit, metric } = await start();
    const answer = await webhook.receive(postOf("SCBEGCMFailureRate", "openai", { startsAt: fresh() }));
    expect(answer).toEqual({ status: 200, body: { killed: 1 } });
    expect(plane.orders).toEqual([
      {
        provider: "openai",
        cause: "integrity",
        by: "alert:SCBEGCMFailureRate:openai",
        reason: "SCBEGCMFailureRate says so",
      },
    ]);
    await eventually(() => audit.records.length === 1);
    expect(audit.records).toMatchObject([
      {
        action: "webhook",
        by: "alertmanager",
        reason: "alerts: 1 killed",
        after: { killed: ["SCBEGCMFailureRate:openai"] },
      },
    ]);
    expect(await metric("scbe_rollback_alerts_total", { result: "killed" })).toBe(1);
  });

  test("is answered 503 while the kill cannot be sent, and acts when it comes again", async () => {
    const { webhook, plane, audit, stored } = await start();
    const post = postOf("SCBEPhaseSkew", "openai", { startsAt: fresh() });
    plane.before = () => Promise.reject(new ScbeError("DISCONNECTED", "the link is down"));
    expect((await webhook.receive(post)).status).toBe(503);
    expect((await stored()).alerts.filter((key) => key.startsWith("SCBEPhaseSkew"))).toEqual([]);
    plane.before = () => Promise.resolve();
    expect(await webhook.receive(post)).toMatchObject({ status: 200, body: { killed: 1 } });
    await eventually(() => audit.records.length === 1);
    expect(plane.orders).toHaveLength(1);
  });

  test("that was taken before, by this controller or another, acts no second time, not even after a release and a restart", async () => {
    const post = postOf("SCBEHighLatency", "xai", { startsAt: fresh() });
    const first = await start();
    await first.webhook.receive(post);
    await eventually(() => first.audit.records.length === 1);
    const second = await start();
    for (const { webhook } of [first, second]) {
      expect(await webhook.receive(post)).toEqual({ status: 200, body: { known: 1 } });
    }
    expect([first.plane.orders.length, second.plane.orders.length]).toEqual([1, 0]);
    const again = postOf("SCBEHighLatency", "xai", { startsAt: fresh() });
    expect(await second.webhook.receive(again)).toMatchObject({ body: { killed: 1 } });
  });

  test("that two controllers take at once is audited once", async () => {
    const [left, right] = [await start(), await start()];
    const post = postOf("SCBEGCMFailureRate", "xai", { startsAt: fresh() });
    const answers = await Promise.all([left, right].map(({ webhook }) => webhook.receive(post)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    // What a controller records, it records in order: behind a further post nothing of the first one is to come.
    for (const stage of [left, right]) {
      await stage.webhook.receive(postOf("SCBETrustDegraded", undefined, { startsAt: fresh() }));
    }
    const reasonsOf = (stage: Stage) => stage.audit.records.map(({ reason }) => reason);
    await eventually(() => [left, right].every((stage) => reasonsOf(stage).includes("alerts: 1 ignored")));
    const audited = [...reasonsOf(left), ...reasonsOf(right)].toSorted();
    expect(audited).toEqual(["alerts: 1 ignored", "alerts: 1 ignored", "alerts: 1 killed"]);
  });

  test("of a resolved alert switches nothing back on", async () => {
    const { webhook, plane, audit } = await start();
    const startsAt = fresh();
    await webhook.receive(postOf("SCBEGCMFailureRate", "openai", { startsAt }));
    const resolved = postOf("SCBEGCMFailureRate", "openai", { startsAt, status: "resolved" });
    expect(await webhook.receive(resolved)).toMatchObject({ status: 200, body: { resolved: 1 } });
    expect(plane.current?.state.kill_switch.providers.openai?.cause).toBe("integrity");
    await eventually(() => audit.records.length === 2);
  });

  test.each([
    ["no JSON", "{"],
    ["too long", " ".repeat(300_000)],
    ["of another version", { ...postOf("SCBENonceReuse"), version: "3" }],
  ])("that is %s is answered 400, and does nothing", async (_case, body) => {
    const { webhook, plane, metric } = await start();
    const answer = await webhook.receive(body);
    expect(answer).toEqual({ status: 400, body: { error: expect.any(String) } });
    expect(plane.orders).toEqual([]);
    expect(await metric("scbe_rollback_webhooks_refused_total", { status: "400" })).toBe(1);
  });

  test("is taken as text and as bytes, too", async () => {
    const { webhook } = await start();
    const text = JSON.stringify(postOf("SCBETrustDegraded", undefined, { startsAt: fresh() }));
    expect(await webhook.receive(text)).toMatchObject({ status: 200 });
    expect(await webhook.receive(Buffer.from(text))).toMatchObject({ status: 200 });
  });

  test("hears 503 while too many are at work, and none of those is lost", async () => {
    const { webhook, plane } = await start();
    const { promise, resolve } = Promise.withResolvers<void>();
    plane.before = () => promise;
    const posts = Array.from({ length: 33 }, () =>
      webhook.receive(postOf("SCBEPhaseSkew", "openai", { startsAt: fresh() })),
    );
    expect((await posts[32])?.status).toBe(503);
    resolve();
    const statuses = (await Promise.all(posts)).map(({ status }) => status);
    expect(statuses.filter((it) => it === 200)).toHaveLength(32);
  });
});

test("a kill waits for no store: while NATS is away the post is answered, and recorded when NATS is back", async () => {
  await using own = await startSecuredNats({ providers: [...PROVIDERS] });
  const { webhook, plane, audit, host, note } = await start({ nats: own });
  await own.server.kill();
  await eventually(() => !host.bus.connected);
  const post = postOf("SCBENonceReuse", "openai", { startsAt: fresh() });
  for (let n = 0; n < 3; n += 1) expect(await webhook.receive(post)).toMatchObject({ status: 200 });
  expect(plane.orders).toHaveLength(3);
  await eventually(() => note("rollback record") !== undefined);
  expect(host.readiness.report().find(({ name }) => name === "rollback record")?.ok).toBe(true);
  await own.server.restart();
  await eventually(() => audit.records.length === 1, { timeoutMs: 15_000 });
  expect(await webhook.receive(post)).toMatchObject({ body: { known: 1 } });
  await eventually(() => note("rollback record") === undefined);
  expect(audit.records).toHaveLength(1);
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

test("a record that cannot be read is begun anew, and said", async () => {
  await using own = await startSecuredNats({ providers: [...PROVIDERS] });
  const { host, webhook, stored } = await start({ nats: own, clock: systemClock });
  const bucket = await host.bus.bucket("SCBE_CONTROL");
  await bucket.create("acted", Buffer.from('{"v":2}'));
  await webhook.receive(postOf("SCBETrustDegraded", undefined, { startsAt: fresh() }));
  await eventually(async () => (await stored()).alerts.length === 1);
  expect(host.logs.lines).toContainEqual(
    expect.objectContaining({ level: "error", msg: expect.stringContaining("begun anew") }),
  );
});
