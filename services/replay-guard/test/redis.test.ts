import { ADMIT_BATCH_MAX } from "@scbe/contracts";
import {
  eventually,
  type RedisServer,
  type SecuredNats,
  startProcess,
  startRedis,
  startSecuredNats,
  startSentinel,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { again, startGuard, startOne } from "./kit.ts";

let nats: SecuredNats;
let redis: RedisServer;
beforeAll(async () => {
  [nats, redis] = await Promise.all([startSecuredNats(), startRedis()]);
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

describe("the guard is not ready, and shows why, with a Redis that is unfit:", () => {
  test("one that evicts, until its policy is changed", async () => {
    await using evicting = await startRedis({
      args: ["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"],
    });
    await using guard = await startGuard({ nats, variables: { REDIS_URL: evicting.url } });
    await eventually(() =>
      guard.reasons().includes("maxmemory-policy is allkeys-lru; it must be noeviction"),
    );
    await using cli = startProcess("redis-cli", [
      "-p",
      `${evicting.port}`,
      "config",
      "set",
      "maxmemory-policy",
      "noeviction",
    ]);
    await cli.exited;
    await guard.ready();
  });

  test("a cluster", async () => {
    await using cluster = await startRedis({ args: ["--cluster-enabled", "yes"] });
    await using guard = await startGuard({
      nats,
      variables: { REDIS_URL: cluster.url, REDIS_REPLAY_DB: "0" },
    });
    await eventually(() => guard.reasons().includes("Redis Cluster, which is not supported"));
  });

  test("a replica", async () => {
    await using replica = await startRedis({ replicaOf: redis });
    await using guard = await startGuard({ nats, variables: { REDIS_URL: replica.url } });
    await eventually(() => guard.reasons().includes("is a replica"));
  });

  test("one with fewer databases", async () => {
    await using small = await startRedis({ args: ["--databases", "1"] });
    await using guard = await startGuard({ nats, variables: { REDIS_URL: small.url } });
    await eventually(() => guard.reasons().includes("no database 1"));
  });

  test("one that is away, until it is back", async () => {
    await using late = await startRedis();
    await late.kill();
    await using guard = await startGuard({ nats, variables: { REDIS_URL: late.url } });
    await eventually(() => guard.reasons().includes("Redis is away"));
    await late.restart();
    await guard.ready();
  });

  test("one with another password, which no log shows", async () => {
    await using locked = await startRedis({ args: ["--requirepass", "the-right-one"] });
    const url = locked.url.replace("//", "//:s3cret-and-wrong@");
    await using guard = await startGuard({ nats, variables: { REDIS_URL: url } });
    await eventually(() => guard.host.logs.text.includes("not admitting"));
    expect(guard.host.readiness.ready).toBe(false);
    expect(guard.host.logs.text + guard.reasons()).not.toContain("s3cret");
  });

  test("one that is full: admitted envelopes are still not fresh", async () => {
    await using full = await startRedis({ args: ["--maxmemory", "3mb"] });
    await using setup = await startOne(nats, { REDIS_URL: full.url });
    const { opener } = setup;
    const first = opener.item();
    expect(await opener.admit([first])).toEqual(["fresh"]);
    const fill = async (): Promise<boolean> => {
      const items = Array.from({ length: ADMIT_BATCH_MAX }, () => opener.item());
      return (await opener.tryAdmit(items)).includes("refused");
    };
    await eventually(fill, { everyMs: 0 });
    expect(await opener.tryAdmit([again(first)])).not.toEqual(["fresh"]);
    expect(setup.guard.host.logs.text).not.toContain(Buffer.from(first.sessionId).toString("hex"));
  });
});

test("the sentinels' primary is followed through a failover", async () => {
  await using primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  await using replica = await startRedis({ replicaOf: primary });
  await eventually(() => replica.output.includes("sync: Finished with success"));
  await using sentinel = await startSentinel(primary.port);
  const variables = { REDIS_SENTINELS: `127.0.0.1:${sentinel.port}`, REDIS_SENTINEL_NAME: "scbe" };
  await using setup = await startOne(nats, variables);
  const item = setup.opener.item();
  expect(await setup.opener.admit([item])).toEqual(["fresh"]);
  await sentinel.knowsReplica();
  await primary.kill();
  const next = await eventually(
    async () => {
      const { epoch } = await setup.opener.epoch();
      return epoch === setup.epoch ? undefined : epoch;
    },
    { timeoutMs: 20_000 },
  ).catch((cause: unknown) => {
    throw new Error(`${setup.guard.reasons()}\n${sentinel.output}`, { cause });
  });
  expect(await setup.opener.admit([again(item), setup.opener.item({ epoch: next })])).toEqual([
    "refused",
    "fresh",
  ]);
});
