import { createSecretKey, randomBytes } from "node:crypto";
import { ScbeError } from "@scbe/contracts";
import { collectLogs } from "@scbe/testkit";
import { expect, test } from "vitest";
import { decryptOnly, ringKey, T } from "../test/rings.ts";
import { DataKeys } from "./data-keys.ts";
import type { RingKey } from "./domain/ring.ts";
import { localKms } from "./edge/local-kms.ts";
import type { Kms } from "./kms.ts";

const PROBE_MS = 1000;

/** Data keys on a local KMS that can be away, with a manual clock. */
function setUp() {
  const kms = localKms(createSecretKey(randomBytes(32)), "dev");
  const state = { now: 0, away: false, unwrapped: [] as string[] };
  const watched: Kms = {
    ...kms,
    unwrap: async (copy) => {
      state.unwrapped.push(copy.kid);
      if (state.away) throw new ScbeError("NOT_READY", "KMS is away");
      return kms.unwrap(copy);
    },
  };
  const logs = collectLogs();
  const clock = { now: () => T, monotonic: () => state.now };
  const keys = new DataKeys({ kms: watched, clock, log: logs.log, probeMs: PROBE_MS });
  return { state, kms, keys, logs };
}

/** A ring key that `kms` has made, and its bytes. */
async function made(kms: Kms, key: RingKey): Promise<{ key: RingKey; bytes: Buffer }> {
  const { plaintext, wrapped, keyArn } = await kms.generate(key.kid);
  const copy = { wrapped: Buffer.from(wrapped).toString("base64"), wrapped_by: keyArn };
  return { key: { ...key, ...copy }, bytes: Buffer.from(plaintext) };
}

test("keys are loaded once, the active one first", async () => {
  const { state, kms, keys } = setUp();
  const old = await made(kms, decryptOnly(T));
  const active = await made(kms, ringKey());
  await keys.load([old.key, active.key]);
  await keys.load([old.key, active.key]);
  expect(state.unwrapped).toEqual(["k1", "k0"]);
  expect(keys.get("k1")?.export()).toEqual(active.bytes);
  expect(keys.get("k0")?.export()).toEqual(old.bytes);
});

test("the bytes of a key are zeroed after it was put", () => {
  const { keys } = setUp();
  const bytes = randomBytes(32);
  const before = Buffer.from(bytes);
  keys.put("k1", bytes);
  expect(bytes).toEqual(Buffer.alloc(32));
  expect(keys.get("k1")?.export()).toEqual(before);
});

test("a copy that KMS refuses does not stop the others, is logged once, and is tried again later", async () => {
  const { state, kms, keys, logs } = setUp();
  const stranger = localKms(createSecretKey(randomBytes(32)), "dev");
  const foreign = await made(stranger, ringKey());
  const old = await made(kms, decryptOnly(T));
  await keys.load([foreign.key, old.key]);
  await keys.load([foreign.key, old.key]);
  expect([keys.isRefused("k1"), keys.isRefused("k0")]).toEqual([true, false]);
  expect(keys.get("k0")).toBeDefined();
  expect(logs.lines.filter(({ level }) => level === "error")).toEqual([
    expect.objectContaining({ kid: "k1", msg: "KMS refuses the copy of a key" }),
  ]);
  state.now = PROBE_MS;
  await keys.load([foreign.key, old.key]);
  expect(state.unwrapped).toEqual(["k1", "k0", "k1"]);
});

test("an outage of KMS is an error, and loaded keys are kept", async () => {
  const { state, kms, keys } = setUp();
  const active = await made(kms, ringKey());
  const old = await made(kms, decryptOnly(T));
  await keys.load([active.key]);
  state.away = true;
  await expect(keys.load([active.key, old.key])).rejects.toMatchObject({ code: "NOT_READY" });
  expect(keys.get("k1")).toBeDefined();
});

test("the active key is probed after a while without a call, and stays loaded whatever the outcome", async () => {
  const { state, kms, keys } = setUp();
  const active = await made(kms, ringKey());
  await keys.load([active.key]);
  await keys.probe(active.key);
  expect(state.unwrapped).toHaveLength(1);
  state.now = PROBE_MS;
  await keys.probe(active.key);
  expect(state.unwrapped).toHaveLength(2);
  state.now = 2 * PROBE_MS;
  state.away = true;
  await expect(keys.probe(active.key)).rejects.toMatchObject({ code: "NOT_READY" });
  state.away = false;
  const altered = { ...active.key, wrapped: Buffer.alloc(60).toString("base64") };
  await keys.probe(altered);
  expect([keys.isRefused("k1"), keys.get("k1")?.export()]).toEqual([true, active.bytes]);
  state.now = 3 * PROBE_MS;
  await keys.probe(active.key);
  expect(keys.isRefused("k1")).toBe(false);
});

test("keys that no longer open are dropped", async () => {
  const { kms, keys } = setUp();
  const active = await made(kms, ringKey());
  const old = await made(kms, decryptOnly(T));
  await keys.load([active.key, old.key]);
  keys.keepOnly([active.key]);
  expect([keys.get("k0"), keys.get("k1")]).toEqual([undefined, expect.anything()]);
  keys.clear();
  expect(keys.get("k1")).toBeUndefined();
});
