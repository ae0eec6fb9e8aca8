import type { AdmitItem } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import { collectLogs, eventually, startRedis } from "@scbe/testkit";
import { expect, test } from "vitest";
import type { ReplayStore } from "../src/ports.ts";
import { openStore } from "../src/service.ts";
import { guardConfig } from "./kit.ts";
import { Random } from "./random.ts";

const MINUTE = 30_000_000;
const EPOCH = "AAAAAAAAAAAAAAAAAAAAAA";

/** Random items with few values of each part, so that every verdict occurs. */
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

const MINUTES = [MINUTE, MINUTE + 1, MINUTE + 2];
const QUOTA = 130;

/** Both stores, each with a provider's quota of {@link QUOTA} and buckets for {@link MINUTES}. */
async function eachStore(work: (store: ReplayStore, id: string) => Promise<void>): Promise<void> {
  await using redis = await startRedis();
  const { log } = collectLogs();
  const quota = { SCBE_PROVIDERS: "openai,anthropic", SCBE_REPLAY_PROVIDER_QUOTA: `${QUOTA}` };
  for (const variables of [quota, { ...quota, REDIS_URL: redis.url }]) {
    await using store = openStore(guardConfig(variables), systemClock, log);
    const buckets = MINUTES.map((minute) => ({ minute, lifeMs: 60_000 }));
    const made = await eventually(() => store.make({ epoch: EPOCH, buckets }, undefined));
    if (!made.made) throw new Error("no buckets");
    await work(store, made.store);
  }
}

test("the script in Redis and the table in memory give the same verdicts, and hold the same entries at the end", async () => {
  const random = new Random(7);
  const batches = Array.from({ length: 80 }, (_, index) => ({
    // One provider reaches its quota, the other does not.
    provider: index < 20 || random.chance(0.7) ? "openai" : "anthropic",
    items: Array.from({ length: 1 + random.below(30) }, () => someItem(random)),
  }));
  const outcomes: unknown[][] = [];
  await eachStore(async (store, id) => {
    const buckets = [{ minute: MINUTE, lifeMs: 60_000 }];
    expect(await store.make({ epoch: EPOCH, buckets }, undefined)).toEqual({ made: false });
    expect(await store.make({ epoch: "other", buckets }, "another store")).toEqual({ made: false });
    const sight = await store.look(EPOCH, [MINUTE, MINUTE + 3]);
    expect(sight).toEqual({ usable: true, store: id, present: new Set([MINUTE]) });
    const request = { epoch: EPOCH, minutes: MINUTES };
    const elsewhere = { ...request, store: "another store", provider: "openai", items: [someItem(random)] };
    expect(await store.admit(elsewhere)).toEqual({ isStore: false });
    const outcome: unknown[] = [];
    for (const batch of batches) {
      outcome.push(await store.admit({ ...request, store: id, ...batch }));
      const { entries } = await store.measure(EPOCH, MINUTES);
      expect(entries.get("openai") ?? 0).toBeLessThanOrEqual(QUOTA);
    }
    const all = await store.measure(EPOCH, [...MINUTES, MINUTE + 3]);
    const some = await store.measure(EPOCH, [MINUTE, MINUTE + 3]);
    expect(all.entries.get("openai")).toBe(QUOTA);
    expect(all.usedBytes).toBeGreaterThan(0);
    expect((await store.measure("other", [MINUTE])).entries).toEqual(new Map());
    expect(await store.look(EPOCH, MINUTES)).toMatchObject({ present: new Set(MINUTES) });
    outcomes.push([...outcome, sorted(all.entries), sorted(some.entries)]);
  });
  expect(outcomes[1]).toEqual(outcomes[0]);
  const text = JSON.stringify(outcomes[0]);
  for (const verdict of ["fresh", "replay", "reuse", "refused"]) expect(text).toContain(`"${verdict}"`);
  expect(text).toMatch(/"overQuota":[1-9]/);
});

test("a quota counts all minutes, still judges recorded envelopes, and does not affect other providers", async () => {
  await eachStore(async (store, id) => {
    const admit = async (provider: string, items: readonly AdmitItem[]) => {
      const answer = await store.admit({ epoch: EPOCH, minutes: MINUTES, store: id, provider, items });
      if (!answer.isStore) throw new Error("another store");
      return answer;
    };
    const filling = Array.from({ length: QUOTA + 2 }, (_, n) => itemOf(n, MINUTES[n % 3] ?? MINUTE));
    const filled = await admit("openai", filling);
    expect(filled.overQuota).toBe(2);
    expect(filled.verdicts.slice(-3)).toEqual(["fresh", "refused", "refused"]);
    for (const minute of MINUTES) {
      const further = await admit("openai", [itemOf(1000, minute)]);
      expect(further).toMatchObject({ verdicts: ["refused"], overQuota: 1 });
    }
    // An opener that tries again because an answer was lost, and a copy of an admitted envelope.
    const [first] = filling;
    if (first === undefined) throw new Error("nothing was admitted");
    const copy = { ...first, attempt: Buffer.alloc(16, 9) };
    const other = { ...copy, tag: Buffer.alloc(16, 9) };
    expect(await admit("openai", [first, copy, other])).toMatchObject({
      verdicts: ["fresh", "replay", "reuse"],
      overQuota: 0,
    });
    expect(await admit("anthropic", filling.slice(0, 100))).toMatchObject({
      verdicts: filling.slice(0, 100).map(() => "fresh"),
      overQuota: 0,
    });
  });
});

function itemOf(n: number, minute: number): AdmitItem {
  const sessionId = Buffer.alloc(32);
  sessionId.writeUInt32BE(minute);
  sessionId.writeUInt32BE(n, 28);
  const [replayNonce, tag, attempt] = [Buffer.alloc(24, 1), Buffer.alloc(16, 1), Buffer.alloc(16, 1)];
  return { epoch: Buffer.from(EPOCH, "base64url"), sessionId, counter: 1, replayNonce, tag, attempt };
}

function sorted(entries: ReadonlyMap<string, number>): [string, number][] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}
