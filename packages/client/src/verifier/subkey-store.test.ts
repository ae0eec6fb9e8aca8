import { randomBytes } from "node:crypto";
import type { GrantMeta, KeyState, RingState } from "@scbe/contracts";
import { importSubkeys, type Subkeys } from "@scbe/envelope";
import { expect, test } from "vitest";
import { openableKeys, SubkeyStore } from "./subkey-store.ts";

const NOW = 1_800_000_000_000;

function subkeys(kid: string, provider = "openai", intent = "chat"): Subkeys {
  return importSubkeys({ env: "dev", provider, intent, kid }, randomBytes(64));
}

function meta(
  kid: string,
  generation: number,
  state: KeyState = "active",
  notAfter: number | null = null,
): GrantMeta {
  return { kid, state, not_after: notAfter, ring_generation: generation };
}

function ring(keys: Record<string, [KeyState, number | null]>): RingState {
  const lines = Object.entries(keys).map(([kid, [state, not_after]]) => ({ kid, state, not_after }));
  return { env: "dev", generation: 9, keys: lines };
}

test("a key seals and opens for its own provider and intent, and for no other", () => {
  const store = new SubkeyStore();
  const key = subkeys("a");
  store.install(key, meta("a", 1));
  expect(store.active("openai", "chat")).toBe(key);
  expect(store.find("a", "openai", "chat")).toBe(key);
  for (const [provider, intent] of [
    ["xai", "chat"],
    ["openai", "tools"],
    ["openai chat", ""],
  ] as const) {
    expect(store.active(provider, intent)).toBeUndefined();
    expect(store.find("a", provider, intent)).toBeUndefined();
  }
  expect(store.find("b", "openai", "chat")).toBeUndefined();
});

test("of two active keys the one of the newer ring seals, in whatever order they come; both open", () => {
  for (const order of [
    ["old", "new"],
    ["new", "old"],
  ] as const) {
    const store = new SubkeyStore();
    const keys = { old: subkeys("old"), new: subkeys("new") };
    for (const kid of order) store.install(keys[kid], meta(kid, kid === "new" ? 2 : 1));
    expect(store.active("openai", "chat")).toBe(keys.new);
    expect(store.size).toBe(2);
  }
});

test("a decrypt-only key opens, and never seals", () => {
  const store = new SubkeyStore();
  store.install(subkeys("a"), meta("a", 5, "decrypt-only", NOW + 1000));
  expect(store.active("openai", "chat")).toBeUndefined();
  expect(store.find("a", "openai", "chat")).toBeDefined();
});

test("a key goes at its end, to the millisecond, without anybody saying so", () => {
  const store = new SubkeyStore();
  store.install(subkeys("a"), meta("a", 1, "active", NOW));
  store.expire(NOW - 1);
  expect(store.size).toBe(1);
  store.expire(NOW);
  expect([store.size, store.active("openai", "chat")]).toEqual([0, undefined]);
});

test.each<[string, RingState]>([
  ["retired", ring({ a: ["retired", null] })],
  ["compromised", ring({ a: ["compromised", null] })],
  ["ended", ring({ a: ["decrypt-only", NOW] })],
  ["not in it", ring({ b: ["active", null] })],
])("a ring in which a key is %s wipes it at once, for every provider and intent", (_case, state) => {
  const store = new SubkeyStore();
  for (const provider of ["openai", "xai"]) store.install(subkeys("a", provider), meta("a", 1));
  store.obey(state, NOW);
  expect(store.size).toBe(0);
  for (const provider of ["openai", "xai"]) expect(store.active(provider, "chat")).toBeUndefined();
});

test("a ring that gives a key an end is kept to", () => {
  const store = new SubkeyStore();
  store.install(subkeys("a"), meta("a", 1));
  store.obey(ring({ a: ["decrypt-only", NOW + 10], b: ["active", null] }), NOW);
  expect(store.active("openai", "chat")).toBeDefined();
  store.expire(NOW + 10);
  expect(store.size).toBe(0);
});

test("clearing drops everything", () => {
  const store = new SubkeyStore();
  store.install(subkeys("a"), meta("a", 1));
  store.clear();
  expect([store.size, store.active("openai", "chat")]).toEqual([0, undefined]);
});

test("of a ring, active and decrypt-only keys open until their end", () => {
  const state = ring({
    a: ["active", null],
    b: ["decrypt-only", NOW + 1],
    c: ["decrypt-only", NOW],
    d: ["retired", null],
    e: ["compromised", NOW + 1],
  });
  expect(openableKeys(state, NOW).map(({ kid }) => kid)).toEqual(["a", "b"]);
});
