import { createSecretKey, randomBytes } from "node:crypto";
import { ScbeError } from "@scbe/contracts";
import { collectLogs } from "@scbe/testkit";
import { expect, test } from "vitest";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf, T } from "../test/rings.ts";
import type { Ring } from "./domain/ring.ts";
import { localKms } from "./edge/local-kms.ts";
import type { Kms } from "./kms.ts";
import { RingKeeper, type RingStore } from "./ring-keeper.ts";

/** A keeper on a local KMS and an in-memory store, both of which can be away, with a manual clock. */
async function setUp() {
  const kms = localKms(createSecretKey(randomBytes(32)), "dev");
  const keys = [];
  for (const key of [ringKey(), decryptOnly(T)]) {
    const { wrapped, keyArn } = await kms.generate(key.kid);
    keys.push({ ...key, wrapped: Buffer.from(wrapped).toString("base64"), wrapped_by: keyArn });
  }
  const state = { now: T, ring: ringOf(keys) as Ring, revision: 1, storeAway: false, kmsAway: false };
  const store: RingStore = {
    read: async () => {
      if (state.storeAway) throw new ScbeError("DISCONNECTED", "the store is away");
      return { ring: state.ring, revision: state.revision };
    },
    write: async (ring, revision) => {
      if (revision !== state.revision) return undefined;
      Object.assign(state, { ring, revision: state.revision + 1 });
      return { ring, revision: state.revision };
    },
    watch: () => ({ [Symbol.asyncDispose]: async () => undefined }),
  };
  const watched: Kms = {
    ...kms,
    generate: async (kid) => {
      if (state.kmsAway) throw new ScbeError("NOT_READY", "KMS is away");
      return kms.generate(kid);
    },
  };
  const clock = { now: () => state.now, monotonic: () => state.now };
  const log = collectLogs().log;
  const limits = { decryptOnlyMaxMs: DECRYPT_ONLY_MAX_MS, probeMs: 1e12 };
  const keeper = new RingKeeper({ kms: watched, store, clock, log, env: "dev", ...limits });
  await keeper.reconcile();
  expect([keeper.ikm("k0"), keeper.ikm("k1")]).toEqual([expect.anything(), expect.anything()]);
  return { state, keeper };
}

test("a key that the ring calls compromised is dropped in the pass that reads it", async () => {
  const { state, keeper } = await setUp();
  const keys = state.ring.keys.map((key) =>
    key.kid === "k0" ? { ...key, state: "compromised" as const, wrapped: null } : key,
  );
  Object.assign(state, { ring: { ...state.ring, generation: 8, keys }, revision: 2 });
  await keeper.reconcile();
  expect([keeper.ikm("k0"), keeper.ikm("k1")]).toEqual([undefined, expect.anything()]);
});

test("a key that reaches its end is dropped though neither KV nor KMS can be reached", async () => {
  const { state, keeper } = await setUp();
  Object.assign(state, { now: T + DECRYPT_ONLY_MAX_MS, storeAway: true, kmsAway: true });
  await expect(keeper.reconcile()).rejects.toMatchObject({ code: "DISCONNECTED" });
  expect([keeper.ikm("k0"), keeper.ikm("k1")]).toEqual([undefined, expect.anything()]);
  expect(keeper.hasActiveKey).toBe(true);
});

test("an active key at its end is replaced in one pass, and without KMS it is retired and none is active", async () => {
  const { state, keeper } = await setUp();
  const keys = state.ring.keys.map((key) => (key.kid === "k1" ? { ...key, not_after: T + 5 } : key));
  Object.assign(state, { ring: { ...state.ring, generation: 8, keys }, revision: 2, now: T + 4 });
  await keeper.reconcile();
  expect(keeper.hasActiveKey).toBe(true);
  Object.assign(state, { now: T + 5, kmsAway: true });
  await expect(keeper.reconcile()).rejects.toMatchObject({ code: "NOT_READY" });
  expect(keeper.hasActiveKey).toBe(false);
  expect(state.ring.keys.map((key) => key.state)).toEqual(["retired", "decrypt-only"]);
  state.kmsAway = false;
  await keeper.reconcile();
  expect(state.ring.keys.map((key) => key.state)).toEqual(["retired", "decrypt-only", "active"]);
  expect(keeper.hasActiveKey).toBe(true);
});

test("forget drops every key", async () => {
  const { keeper } = await setUp();
  keeper.forget();
  expect([keeper.ikm("k0"), keeper.ikm("k1"), keeper.hasActiveKey]).toEqual([undefined, undefined, false]);
});
