import type { AdmitItem } from "@scbe/contracts";
import { systemClock } from "@scbe/service-kit";
import { collectLogs, eventually, startRedis } from "@scbe/testkit";
import { expect, test } from "vitest";
import { chooseStore } from "../src/edge/choose-store.ts";
import type { ReplayStore } from "../src/ports.ts";
import { guardConfig } from "./kit.ts";
import { Random } from "./random.ts";

const MINUTE = 30_000_000;
const EPOCH = "AAAAAAAAAAAAAAAAAAAAAA";

/** Items from so few of each part that every verdict comes up. */
function someItem(random: Random): AdmitItem {
  const few = (length: number, kinds: number): Buffer => Buffer.alloc(length, random.below(kinds));
  const sessionId = few(32, 2);
  sessionId.writeUInt32BE(MINUTE + random.below(4));
  return {
    epoch: Buffer.from(EPOCH, "base64url"),
    sessionId,
    counter: 1 + random.below(40),
    replayNonce: few(24, 2),
    tag: few(16, 2),
    attempt: few(16, 3),
  };
}

test("the script in Redis and the table in memory judge alike, and have the same entries in the end", async () => {
  await using redis = await startRedis();
  const { log } = collectLogs();
  const stores: readonly ReplayStore[] = [
    chooseStore(guardConfig({}), systemClock, log),
    chooseStore(guardConfig({ REDIS_URL: redis.url }), systemClock, log),
  ];
  const random = new Random(7);
  const batches = Array.from({ length: 60 }, () =>
    Array.from({ length: 1 + random.below(30) }, () => someItem(random)),
  );
  const verdicts: string[][] = [];
  const entries: number[] = [];
  for (const store of stores) {
    await using _held = store;
    const buckets = [MINUTE, MINUTE + 1, MINUTE + 2].map((minute) => ({ minute, lifeMs: 60_000 }));
    const made = await eventually(() => store.make({ epoch: EPOCH, buckets }, undefined));
    if (!made.made) throw new Error("no buckets");
    expect(await store.make({ epoch: EPOCH, buckets }, undefined)).toEqual({ made: false });
    expect(await store.make({ epoch: "other", buckets }, "another store")).toEqual({ made: false });
    const sight = await store.look(EPOCH, [MINUTE, MINUTE + 3]);
    expect(sight).toEqual({ usable: true, store: made.store, present: new Set([MINUTE]) });
    expect(await store.admit({ epoch: EPOCH, store: "another store" }, batches[0] ?? [])).toEqual({
      isStore: false,
    });
    const judged: string[] = [];
    for (const batch of batches) {
      const answer = await store.admit({ epoch: EPOCH, store: made.store }, batch);
      judged.push(...(answer.isStore ? answer.verdicts : []));
    }
    verdicts.push(judged);
    const all = await store.measure(EPOCH, [MINUTE, MINUTE + 1, MINUTE + 2, MINUTE + 3]);
    const some = await store.measure(EPOCH, [MINUTE, MINUTE + 3]);
    expect([all.usedBytes > 0, some.entries > 0, some.entries < all.entries]).toEqual([true, true, true]);
    expect((await store.measure("other", [MINUTE])).entries).toBe(0);
    entries.push(all.entries, some.entries);
  }
  expect(verdicts[1]).toEqual(verdicts[0]);
  expect(entries.slice(2)).toEqual(entries.slice(0, 2));
  expect(new Set(verdicts[0])).toEqual(new Set(["fresh", "replay", "reuse", "refused"]));
});
