import { connectStore, type StoreBus } from "@scbe/bus";
import { BUCKETS, type EpochRecord } from "@scbe/contracts";
import { collectLogs, eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { kvRecordStore } from "./kv-record-store.ts";

const RECORD: EpochRecord = {
  v: 1,
  env: "dev",
  epoch: "AAAAAAAAAAAAAAAAAAAAAA",
  generation: 1,
  store: "store",
  from: 1,
  to: 2,
};
let nats: SecuredNats;
let bus: StoreBus;
beforeAll(async () => {
  nats = await startSecuredNats();
});
afterAll(() => nats[Symbol.asyncDispose]());
beforeEach(async () => {
  const { log } = collectLogs();
  bus = await connectStore({ ...nats.storeTransport("replay"), log });
  return () => bus[Symbol.asyncDispose]();
});

test("of two writes onto the same revision, one wins", async () => {
  using store = kvRecordStore(bus, await bus.bucket(BUCKETS.replay), "dev");
  expect(await store.read()).toBeUndefined();
  expect(await store.write(RECORD, undefined)).toBe(true);
  expect(await store.write(RECORD, undefined)).toBe(false);
  const stored = await store.read();
  expect(stored?.record).toEqual(RECORD);
  const writes = [3, 4].map((to) => store.write({ ...RECORD, to }, stored?.revision));
  expect((await Promise.all(writes)).sort()).toEqual([false, true]);
});

test("a revision that was read before a reconnect is refused for a write after it", async () => {
  using store = kvRecordStore(bus, await bus.bucket(BUCKETS.replay), "dev");
  const before = await store.read();
  const reconnected = new Promise<void>((resolve) => bus.onReconnect(resolve));
  await nats.server.restart();
  await reconnected;
  expect(await store.write({ ...RECORD, to: 9 }, before?.revision)).toBe(false);
  const after = await eventually(async () => (await store.read()) ?? false);
  expect(after.record?.to).not.toBe(9);
  expect(await store.write({ ...RECORD, to: 9 }, after.revision)).toBe(true);
});
