import type { EpochRecord } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import { collectLogs, eventually } from "@scbe/testkit";
import { expect, test, vi } from "vitest";
import { Quotas } from "./quotas.ts";

const QUOTA = 1_000_000;
const NOW_MS = 30_000_000 * 60_000;
const TIMES = { windowMs: 60_000, limitMs: 60_000 };
const RECORD: EpochRecord = {
  ...{ v: 1, env: "dev", epoch: "A".repeat(22), generation: 1, store: "store" },
  ...{ from: 29_999_000, to: 30_000_003 },
};

/** Quotas over a store with a given count of entries. */
function quotasOver(store: { entries: number | undefined }) {
  let monotonicMs = 0;
  const clock = { ...systemClock, now: () => NOW_MS, monotonic: () => monotonicMs };
  const logs = collectLogs();
  const refused: string[] = [];
  const measure = vi.fn(async () => {
    if (store.entries === undefined) throw new Error("away");
    return { entries: new Map([["openai", store.entries]]), usedBytes: 0, maxBytes: 0 };
  });
  const quotas = new Quotas({
    ...{ providers: ["openai", "xai"], quota: QUOTA, store: { measure }, times: TIMES, clock, log: logs.log },
    keeper: { inForce: { record: RECORD, bytes: Buffer.alloc(16) } },
    metrics: { overQuota: (provider, count) => void refused.push(`${provider} ${count}`) },
  });
  const pass = (ms: number): void => {
    monotonicMs += ms;
  };
  const isCounted = (provider: string): boolean => quotas.minutesToCount(provider, RECORD).length > 0;
  return {
    quotas,
    logs,
    refused,
    measure,
    pass,
    isCounted,
    [Symbol.dispose]: () => quotas[Symbol.dispose](),
  };
}

test("all minutes are counted until a provider is known to be far from its quota, and again near it", async () => {
  const store = { entries: 499_999 as number | undefined };
  using it = quotasOver(store);
  expect([it.isCounted("openai"), it.isCounted("xai")]).toEqual([true, true]);
  await eventually(() => !it.isCounted("openai"));
  expect(it.isCounted("xai")).toBe(false);
  store.entries = 500_000;
  await eventually(() => it.isCounted("openai"));
  expect(it.isCounted("xai")).toBe(false);
});

test("all minutes are counted when the measurement is too old, or the store is away", async () => {
  const store = { entries: 0 as number | undefined };
  using it = quotasOver(store);
  await eventually(() => !it.isCounted("openai"));
  it.pass(2501);
  expect(it.isCounted("openai")).toBe(true);
  await eventually(() => !it.isCounted("openai"));
  store.entries = undefined;
  await eventually(() => it.isCounted("openai"));
});

test("the minutes are those whose buckets can still exist", () => {
  using it = quotasOver({ entries: 0 });
  const minutes = it.quotas.minutesToCount("openai", RECORD);
  expect([minutes[0], minutes.at(-1)]).toEqual([30_000_000 - 4, RECORD.to]);
});

test("refusals are counted, logged once a minute, and noted while they continue", () => {
  using it = quotasOver({ entries: 0 });
  expect(it.quotas.note).toBeUndefined();
  for (let n = 0; n < 5; n += 1) it.quotas.refused("openai", 10);
  expect(it.refused).toHaveLength(5);
  expect(it.logs.lines).toHaveLength(1);
  expect(it.quotas.note).toBe("at the replay quota, and refused: openai");
  it.pass(30_001);
  expect(it.quotas.note).toBeUndefined();
  it.pass(30_000);
  it.quotas.refused("openai", 10);
  expect(it.logs.lines.map(({ batches }) => batches)).toEqual([1, 5]);
});
