import { connectStore } from "@scbe/bus";
import { BUCKETS, EpochRecord, KV_KEYS, writeMessage } from "@scbe/contracts";
import { type Clock, systemClock } from "@scbe/runtime";
import { collectLogs, eventually, type SecuredNats, startRedis, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { again, redisCall, startTraffic } from "./kit.ts";

let nats: SecuredNats;
beforeAll(async () => {
  nats = await startSecuredNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

/** The bucket of the record, as the guard's user accesses it. */
async function openRecord() {
  const { log } = collectLogs();
  const bus = await connectStore({ ...nats.storeTransport("replay"), log });
  const bucket = await bus.bucket(BUCKETS.replay);
  const read = async () => {
    const entry = await bucket.get(KV_KEYS.epoch);
    if (entry === undefined) throw new Error("there is no record");
    return { ...entry, record: EpochRecord.parse(JSON.parse(Buffer.from(entry.value).toString())) };
  };
  return {
    read,
    /** The record, once its epoch is none of these. */
    changed: (...from: readonly EpochRecord[]) =>
      eventually(async () => {
        const { record } = await read();
        return from.some(({ epoch }) => epoch === record.epoch) ? undefined : record;
      }),
    write: async (record: EpochRecord, revision: number) => {
      await bucket.update(KV_KEYS.epoch, writeMessage(record), revision);
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}

test("a rollback of the record to an earlier epoch starts a new epoch, and no envelope is accepted twice", async () => {
  await using redis = await startRedis();
  await using setup = await startTraffic(nats, [redis.url, redis.url, redis.url]);
  await using kv = await openRecord();
  const { record: earlier } = await kv.read();
  await redisCall(redis, ["DEL", `scbe:replay:${earlier.epoch}:${earlier.from + 10}`]);
  const later = await kv.changed(earlier);
  await setup.traffic.flows();
  await kv.write(earlier, (await kv.read()).revision);
  const now = await kv.changed(earlier, later);
  expect(now.generation).toBeGreaterThan(later.generation);
  await setup.traffic.flows();
  expect(await setup.traffic.replayAll()).toEqual([]);
});

test.each([
  ["still exists", false],
  ["is gone", true],
])(
  "a rollback of the record to before an extension whose bucket %s ends the epoch",
  async (_what, isGone) => {
    await using redis = await startRedis();
    await using setup = await startTraffic(nats, [redis.url, redis.url, redis.url]);
    await using kv = await openRecord();
    const { record, revision } = await kv.read();
    const newest = setup.opener.item({ minute: record.to });
    expect(await setup.opener.admit([newest])).toEqual(["fresh"]);
    if (isGone) await redisCall(redis, ["DEL", `scbe:replay:${record.epoch}:${record.to}`]);
    await kv.write({ ...record, to: record.to - 1 }, revision);
    expect((await kv.changed(record)).generation).toBeGreaterThan(record.generation);
    expect(await setup.opener.admit([again(newest)])).not.toEqual(["fresh"]);
    await setup.traffic.flows();
    expect(await setup.traffic.replayAll()).toEqual([]);
  },
);

test.each([
  ["an hour ahead", 3_600_000],
  ["an hour back", -3_600_000],
  ["five minutes ahead", 300_000],
])("clocks that step %s change only the epoch", async (_what, stepMs) => {
  await using redis = await startRedis();
  let steppedMs = 0;
  const clock: Clock = { now: () => systemClock.now() + steppedMs, monotonic: () => systemClock.monotonic() };
  await using setup = await startTraffic(nats, [redis.url, redis.url, redis.url], clock);
  const { opener } = setup;
  const sealer = opener.item;
  opener.item = () => sealer({ minute: Math.floor(clock.now() / 60_000) });
  steppedMs = stepMs;
  await setup.traffic.flows();
  expect(await setup.traffic.replayAll()).toEqual([]);
});

test("one guard with a wrong clock stands by while the others serve", async () => {
  await using redis = await startRedis();
  let steppedMs = 0;
  const clock: Clock = { now: () => systemClock.now() + steppedMs, monotonic: () => systemClock.monotonic() };
  await using right = await startTraffic(nats, [redis.url, redis.url]);
  await using wrong = await startTraffic(nats, [redis.url], clock);
  const { epoch } = await right.opener.epoch();
  steppedMs = 86_400_000;
  await eventually(() => wrong.guards[0]?.host.readiness.ready === false);
  await right.traffic.flows();
  expect((await right.opener.epoch()).epoch).toBe(epoch);
});
