import { setTimeout as delay } from "node:timers/promises";
import {
  eventually,
  type RedisServer,
  type SecuredNats,
  startProcess,
  startRedis,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { redisCall, startTraffic } from "./kit.ts";

let nats: SecuredNats;
beforeAll(async () => {
  nats = await startSecuredNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

/** A primary that lets its replicas attach at once. */
function startPrimary(): Promise<RedisServer> {
  return startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
}

function startReplica({ port }: RedisServer): Promise<RedisServer> {
  return startRedis({ replicaOf: { port } });
}

async function isInSync(replica: RedisServer): Promise<boolean> {
  return String(await redisCall(replica, ["INFO", "replication"])).includes("master_link_status:up");
}

test.each([
  ["forgets everything", false],
  ["keeps its data", true],
])(
  "after a restart of Redis that %s, no envelope is accepted twice, and traffic continues",
  async (_what, persistent) => {
    await using redis = await startRedis({ persistent });
    await using setup = await startTraffic(nats, [redis.url, redis.url, redis.url]);
    const before = await setup.opener.epoch();
    await redis.restart();
    await setup.traffic.flows();
    expect((await setup.opener.epoch()).epoch).not.toBe(before.epoch);
    expect(await setup.traffic.replayAll()).toEqual([]);
  },
);

test("a demotion and promotion of the primary behind the same connections ends the epoch", async () => {
  await using redis = await startRedis();
  await using setup = await startTraffic(nats, [redis.url, redis.url, redis.url]);
  const before = await setup.opener.epoch();
  const clients = async (): Promise<string[]> =>
    String(await redisCall(redis, ["CLIENT", "LIST"])).match(/^id=\d+(?=.*name=scbe-replay-guard)/gm) ?? [];
  const connected = await clients();
  await redisCall(redis, ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]);
  await eventually(async () => (await setup.opener.epoch()).epoch !== before.epoch, { timeoutMs: 3000 });
  await setup.traffic.flows();
  expect(connected).toHaveLength(3);
  expect(await clients()).toEqual(connected);
  expect(await setup.traffic.replayAll()).toEqual([]);
});

test("after the promotion of a lagging replica behind an open connection, no envelope is accepted twice", async () => {
  await using primary = await startPrimary();
  await using replica = await startReplica(primary);
  await eventually(() => isInSync(replica));
  await using setup = await startTraffic(nats, [primary.url, primary.url, replica.url]);
  replica.pause();
  await delay(300);
  await primary.kill();
  replica.resume();
  await redisCall(replica, ["REPLICAOF", "NO", "ONE"]);
  await setup.traffic.flows();
  expect(setup.traffic.accepted.length).toBeGreaterThan(100);
  expect(await setup.traffic.replayAll()).toEqual([]);
});

test("of two primaries at once, one keeps the epoch; the guards of the other stand by and take over", async () => {
  await using primary = await startPrimary();
  await using other = await startReplica(primary);
  await eventually(() => isInSync(other));
  await using setup = await startTraffic(nats, [primary.url, primary.url, other.url]);
  const [first, second, third] = setup.guards;
  const before = await setup.opener.epoch();
  await redisCall(other, ["REPLICAOF", "NO", "ONE"]);
  await eventually(() =>
    third?.host.readiness.report().some(({ reason }) => reason?.includes("another store")),
  );
  await delay(1500);
  await setup.traffic.flows();
  expect((await setup.opener.epoch()).epoch).toBe(before.epoch);
  expect(third?.host.readiness.ready).toBe(false);
  expect(await third?.metric("scbe_replay_admits_total")).toBe(0);
  // It has left the queue group: every request is answered by a guard that serves.
  for (let sent = 0; sent < 40; sent += 1) {
    expect(await setup.opener.admit([setup.opener.item()])).toEqual(["fresh"]);
  }

  await Promise.all([first?.[Symbol.asyncDispose](), second?.[Symbol.asyncDispose]()]);
  await setup.traffic.flows();
  expect((await setup.opener.epoch()).epoch).not.toBe(before.epoch);
  expect(await setup.traffic.replayAll()).toEqual([]);
});

test("after the maintenance command under load, no envelope is accepted twice, and traffic continues", async () => {
  await using redis = await startRedis();
  await using setup = await startTraffic(nats, [redis.url, redis.url, redis.url]);
  const cli = `redis-cli -p ${redis.port} -n 1`;
  const line = `${cli} --scan --pattern "scbe:replay:*" | xargs -n 1000 ${cli} DEL`;
  for (let times = 0; times < 3; times += 1) {
    await using shell = startProcess("/bin/sh", ["-c", line]);
    expect((await shell.exited).code).toBe(0);
    expect(Number(shell.stdout)).toBeGreaterThan(5);
    await setup.traffic.flows();
    await delay(200);
  }
  expect(await setup.traffic.replayAll()).toEqual([]);
});

test.each([
  ["single buckets", (minute: number) => `${minute}`],
  ["the entries of one provider in a bucket", (minute: number) => `openai:${minute}`],
])(
  "after the loss of %s under load, no envelope is accepted twice, and traffic continues",
  async (_what, nameOf) => {
    await using redis = await startRedis();
    await using setup = await startTraffic(nats, [redis.url, redis.url, redis.url]);
    for (let times = 0; times < 5; times += 1) {
      const { epoch } = await setup.opener.epoch();
      const key = `scbe:replay:${epoch}:${nameOf(Math.floor(Date.now() / 60_000))}`;
      await setup.traffic.flows();
      expect(await redisCall(redis, ["DEL", key])).toEqual([1]);
      await eventually(async () => (await setup.opener.epoch()).epoch !== epoch);
      await setup.traffic.flows();
    }
    expect(await setup.traffic.replayAll()).toEqual([]);
  },
);

test("a frozen Redis admits nothing; when it resumes, traffic continues, and no envelope is accepted twice", async () => {
  await using redis = await startRedis();
  await using setup = await startTraffic(nats, [redis.url, redis.url, redis.url]);
  redis.pause();
  await eventually(() => setup.guards.every(({ host }) => !host.readiness.ready));
  const whileFrozen = setup.opener.admit([setup.opener.item()]);
  await expect(whileFrozen).rejects.toMatchObject({
    code: expect.stringMatching(/^NO(T_READY|_RESPONDERS)$/),
  });
  redis.resume();
  await setup.traffic.flows();
  expect(await setup.traffic.replayAll()).toEqual([]);
});
