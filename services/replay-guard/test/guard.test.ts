import { setTimeout as delay } from "node:timers/promises";
import { connectStore } from "@scbe/bus";
import {
  ADMIT_BATCH_MAX,
  BUCKETS,
  EpochRecord,
  jcs,
  KV_KEYS,
  SUBJECTS,
  subjectOf,
  writeMessage,
} from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import {
  connectProbe,
  eventually,
  type RedisServer,
  type SecuredNats,
  startRedis,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { again, connectOpener, startGuard, startOne } from "./kit.ts";

let nats: SecuredNats;
let redis: RedisServer;
beforeAll(async () => {
  [nats, redis] = await Promise.all([startSecuredNats({ providers: ["openai", "xai"] }), startRedis()]);
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const oneGuard = (variables: Readonly<Record<string, string>> = { REDIS_URL: redis.url }) =>
  startOne(nats, variables);

describe.each([
  ["in Redis", () => ({ REDIS_URL: redis.url })],
  ["in memory", () => ({})],
] as const)("a store %s", (_kind, variables) => {
  test("admits an envelope once, and the same attempt any number of times", async () => {
    await using setup = await oneGuard(variables());
    const item = setup.opener.item();
    expect(await setup.opener.admit([item])).toEqual(["fresh"]);
    expect(await setup.opener.admit([item, again(item), item])).toEqual(["fresh", "replay", "fresh"]);
  });

  test("reports another envelope under the same session and counter as a reuse", async () => {
    await using setup = await oneGuard(variables());
    const { sessionId, ...item } = setup.opener.item();
    const [first, second] = [{ ...item, sessionId }, setup.opener.item({ sessionId })];
    expect(await setup.opener.admit([first, second, again(first)])).toEqual(["fresh", "reuse", "replay"]);
  });

  test("refuses envelopes of another epoch, of a minute without a bucket, or with counter 0", async () => {
    await using setup = await oneGuard(variables());
    const items = [
      setup.opener.item({ epoch: "AAAAAAAAAAAAAAAAAAAAAA" }),
      setup.opener.item({ minute: Math.floor(Date.now() / 60_000) + 30 }),
      setup.opener.item({ counter: 0 }),
      setup.opener.item(),
    ];
    expect(await setup.opener.admit(items)).toEqual(["refused", "refused", "refused", "fresh"]);
  });

  test("judges a full batch, each item independently", async () => {
    await using setup = await oneGuard(variables());
    const items = Array.from({ length: ADMIT_BATCH_MAX }, () => setup.opener.item());
    expect(new Set(await setup.opener.admit(items))).toEqual(new Set(["fresh"]));
    expect(new Set(await setup.opener.admit(items.map(again)))).toEqual(new Set(["replay"]));
  });
});

test("the in-memory store refuses envelopes when it is full, and forgets none", async () => {
  await using setup = await oneGuard({ SCBE_REPLAY_MEMORY_ENTRIES: "2" });
  const items = [setup.opener.item(), setup.opener.item(), setup.opener.item()];
  expect(await setup.opener.admit(items)).toEqual(["fresh", "fresh", "refused"]);
  expect(await setup.opener.admit(items.map(again))).toEqual(["replay", "replay", "refused"]);
});

describe.each([
  ["in Redis", () => ({ REDIS_URL: redis.url })],
  ["in memory", () => ({})],
] as const)("a provider at its quota %s", (_kind, variables) => {
  const limited = { SCBE_PROVIDERS: "openai,xai", SCBE_REPLAY_PROVIDER_QUOTA: "50" };

  test("is refused and reported, and another provider is admitted, in the same epoch", async () => {
    await using setup = await oneGuard({ ...variables(), ...limited });
    const { guard, opener, epoch } = setup;
    const flood = Array.from({ length: 200 }, () => opener.item());
    expect((await opener.admit(flood)).filter((it) => it === "fresh")).toHaveLength(50);
    expect(new Set(await opener.admit(flood.slice(100)))).toEqual(new Set(["refused"]));
    const others = Array.from({ length: 50 }, () => opener.item());
    expect(new Set(await opener.admit(others, "xai"))).toEqual(new Set(["fresh"]));
    expect(new Set(await opener.admit(flood.slice(0, 50).map(again)))).toEqual(new Set(["replay"]));
    const entries = (provider: string) => guard.metric("scbe_replay_store_entries", { provider });
    expect([await entries("openai"), await entries("xai")]).toEqual([50, 50]);
    expect(await guard.metric("scbe_replay_quota_refusals_total", { provider: "openai" })).toBe(250);
    expect(await guard.metric("scbe_replay_quota_refusals_total", { provider: "xai" })).toBe(0);
    await eventually(() => {
      const dependency = guard.host.readiness.report().find(({ name }) => name === "replay store");
      return (
        dependency?.ok === true &&
        dependency.note?.includes("at the replay quota, and refused: openai") === true
      );
    });
    expect(guard.host.logs.lines.filter(({ msg }) => msg?.includes("at its replay quota"))).toHaveLength(1);
    expect((await opener.epoch()).epoch).toBe(epoch);
  });
});

test("a second guard with its own in-memory store stands by", async () => {
  await using setup = await oneGuard({});
  await using second = await startGuard({ nats });
  await delay(1500);
  expect(second.host.readiness.ready).toBe(false);
  expect(second.reasons()).toContain("kept by another store");
  expect((await setup.opener.epoch()).epoch).toBe(setup.epoch);
});

test("guards that start at once on an empty bucket agree on one epoch", async () => {
  await using empty = await startSecuredNats();
  await using stack = new AsyncDisposableStack();
  const options = { nats: empty, variables: { REDIS_URL: redis.url } };
  const guards = await Promise.all([startGuard(options), startGuard(options), startGuard(options)]);
  for (const guard of guards) stack.use(guard);
  await Promise.all(guards.map((guard) => guard.ready()));
  await using opener = await connectOpener(empty);
  const generations = await Promise.all(guards.map((guard) => guard.metric("scbe_replay_epoch_generation")));
  expect(new Set(generations)).toEqual(new Set([(await opener.epoch()).generation]));
});

test("a guard that joins takes the epoch in force, and refuses what another guard admitted", async () => {
  await using setup = await oneGuard();
  await using second = await startGuard({ nats, variables: { REDIS_URL: redis.url } });
  await second.ready();
  expect((await setup.opener.epoch()).epoch).toBe(setup.epoch);
  const item = setup.opener.item();
  expect(await setup.opener.admit([item])).toEqual(["fresh"]);
  await setup.guard[Symbol.asyncDispose]();
  expect(await setup.opener.admit([again(item)])).toEqual(["replay"]);
});

test("the epoch is broadcast twice a second", async () => {
  await using setup = await oneGuard();
  let heard = 0;
  await using _subscription = setup.opener.bus.subscribe(SUBJECTS.epoch, () => {
    heard += 1;
  });
  await setup.opener.bus.flush();
  await delay(2000);
  expect(heard).toBeGreaterThanOrEqual(3);
  expect(heard).toBeLessThanOrEqual(5);
});

const READ = subjectOf("securityRead", { user: "operator" });

test("a nonce reuse is an acknowledged event, stored once for all its sightings, and a metric", async () => {
  await using setup = await oneGuard();
  await using operator = await connectProbe({ name: "operator", transport: nats.transport("operator") });
  const events = async (): Promise<number> =>
    JSON.parse(await operator.request(READ, jcs({ v: 1, ask: "bounds" }))).messages;
  const before = await events();
  const first = setup.opener.item();
  const other = setup.opener.item({ sessionId: first.sessionId });
  expect(await setup.opener.admit([first, other, again(other)])).toEqual(["fresh", "reuse", "reuse"]);
  await eventually(
    async () =>
      (await setup.guard.metric("scbe_replay_reuse_reports_total", { result: "acknowledged" })) === 2,
  );
  expect(await events()).toBe(before + 1);
  expect(await setup.guard.metric("scbe_nonce_reuse_count", { provider: "openai" })).toBe(2);
  const all = { v: 1, ask: "batch", from: 1, last: 1000 };
  const { messages } = JSON.parse(await operator.request(READ, jcs(all)));
  const event = JSON.parse(Buffer.from(messages.at(-1).data, "base64").toString());
  expect(event).toMatchObject({ v: 1, env: "dev", provider: "openai", counter: 1 });
  expect(JSON.stringify(event)).not.toContain(Buffer.from(first.sessionId).toString("base64url"));
});

test("every series of a closed set exists from the start, at 0", async () => {
  await using setup = await oneGuard();
  const text = await setup.guard.host.metrics.metrics();
  expect(text).toContain('scbe_nonce_reuse_count{provider="openai"} 0');
  expect(text).toContain('scbe_replay_rejects_count{provider="openai"} 0');
  for (const verdict of ["fresh", "replay", "reuse", "refused"]) {
    expect(text).toContain(`scbe_replay_admits_total{verdict="${verdict}"} 0`);
  }
});

test("a replay counts as a reject of its provider", async () => {
  await using setup = await oneGuard();
  const item = setup.opener.item();
  await setup.opener.admit([item, again(item)]);
  expect(await setup.guard.metric("scbe_replay_rejects_count", { provider: "openai" })).toBe(1);
});

test.each([
  ["no item", new Uint8Array(0)],
  ["half an item", new Uint8Array(54)],
  ["too many items", new Uint8Array(108 * (ADMIT_BATCH_MAX + 1))],
])("a batch of %s is a bad request", async (_what, data) => {
  await using setup = await oneGuard();
  const answer = setup.opener.bus.request(
    subjectOf("admit", { user: setup.opener.bus.user, provider: "openai" }),
    data,
    { timeoutMs: 1000 },
  );
  await expect(answer).rejects.toMatchObject({ code: "BAD_REQUEST" });
});

test("a provider that is not served is a bad request", async () => {
  await using setup = await oneGuard();
  await expect(setup.opener.admit([setup.opener.item()], "xai")).rejects.toMatchObject({
    code: "BAD_REQUEST",
  });
});

test("a guard that finds another environment's record refuses to start and does not change it", async () => {
  await using other = await startSecuredNats();
  const log = createLogger({ name: "test", level: "silent" });
  await using bus = await connectStore({ ...other.storeTransport("replay"), log });
  const bucket = await bus.bucket(BUCKETS.replay);
  const record = { v: 1, env: "prod", epoch: "A".repeat(22), generation: 1, store: "s", from: 0, to: 1 };
  await bucket.create(KV_KEYS.epoch, writeMessage(record));
  const starting = startGuard({ nats: other, variables: { REDIS_URL: redis.url } });
  await expect(starting).rejects.toMatchObject({ code: "FORBIDDEN" });
  expect((await bucket.get(KV_KEYS.epoch))?.revision).toBe(1);
});

test("an unreadable record is replaced by a new epoch, at the start and under a running guard, and that is visible", async () => {
  await using other = await startSecuredNats();
  const log = createLogger({ name: "test", level: "silent" });
  await using bus = await connectStore({ ...other.storeTransport("replay"), log });
  const bucket = await bus.bucket(BUCKETS.replay);
  await bucket.create(KV_KEYS.epoch, Buffer.from("{"));
  const record = async () => {
    const entry = await bucket.get(KV_KEYS.epoch);
    return { ...entry, read: EpochRecord.safeParse(JSON.parse(Buffer.from(entry?.value ?? "").toString())) };
  };
  await using guard = await startGuard({ nats: other, variables: { REDIS_URL: redis.url } });
  await guard.ready();
  const first = (await record()).read.data;
  expect(await guard.metric("scbe_records_mended_total", { record: "epoch" })).toBe(1);
  const { revision = 0 } = await record();
  await bucket.update(KV_KEYS.epoch, Buffer.from('{"v":9}'), revision);
  const second = await eventually(async () => {
    const { data } = (await record()).read;
    return data !== undefined && data.epoch !== first?.epoch ? data : undefined;
  });
  expect(second.generation).toBeGreaterThan(first?.generation ?? Number.NaN);
  await eventually(() => guard.host.readiness.ready);
  const note = guard.host.readiness.report().find(({ name }) => name === "stored epoch")?.note;
  expect(note).toContain(`generation ${second.generation}`);
});
