import { randomBytes } from "node:crypto";
import type { GrantMeta, KeyState, RingState } from "@scbe/contracts";
import { importSubkeys, type Subkeys } from "@scbe/envelope";
import { expect, test } from "vitest";
import { HeldKeys } from "./held-keys.ts";

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

function ring(keys: Record<string, [KeyState, number | null]>, generation = 9): RingState {
  const lines = Object.entries(keys).map(([kid, [state, not_after]]) => ({ kid, state, not_after }));
  return { env: "dev", generation, keys: lines };
}

function holding(providers: readonly string[] = ["openai"]) {
  const clock = { now: NOW };
  return { keys: new HeldKeys({ providers, intents: ["chat"], now: () => clock.now }), clock };
}

test("a key seals and opens for its own provider and intent, and for no other", () => {
  const { keys } = holding();
  const key = subkeys("a");
  keys.take(key, meta("a", 1));
  expect(keys.active("openai", "chat")).toBe(key);
  expect(keys.find("a", "openai", "chat")).toBe(key);
  for (const [provider, intent] of [
    ["xai", "chat"],
    ["openai", "tools"],
    ["openai chat", ""],
  ] as const) {
    expect(keys.active(provider, intent)).toBeUndefined();
    expect(keys.find("a", provider, intent)).toBeUndefined();
  }
  expect(keys.find("b", "openai", "chat")).toBeUndefined();
});

test("of two active keys the one of the newer ring seals, in either order; both open", () => {
  for (const order of [
    ["old", "new"],
    ["new", "old"],
  ] as const) {
    const { keys } = holding();
    const made = { old: subkeys("old"), new: subkeys("new") };
    for (const kid of order) keys.take(made[kid], meta(kid, kid === "new" ? 2 : 1));
    expect(keys.active("openai", "chat")).toBe(made.new);
    expect(keys.size).toBe(2);
  }
});

test("a key ends to the millisecond, without a message, and is wiped at the next access", () => {
  const { keys, clock } = holding();
  keys.take(subkeys("a"), meta("a", 1, "active", NOW));
  expect(keys.size).toBe(0);
  keys.take(subkeys("b"), meta("b", 2, "active", NOW + 1));
  expect(keys.active("openai", "chat")).toBeDefined();
  clock.now += 1;
  expect([keys.active("openai", "chat"), keys.find("b", "openai", "chat")]).toEqual([undefined, undefined]);
  keys.expire();
  expect(keys.size).toBe(0);
});

test.each<[string, RingState]>([
  ["retired", ring({ a: ["retired", null] })],
  ["compromised", ring({ a: ["compromised", null] })],
  ["ended", ring({ a: ["decrypt-only", NOW] })],
  ["not in it", ring({ b: ["active", null] })],
])("a ring with a key that is %s wipes it at once, for every provider and intent", (_case, state) => {
  const { keys } = holding(["openai", "xai"]);
  for (const provider of ["openai", "xai"]) keys.take(subkeys("a", provider), meta("a", 1));
  keys.obey(state);
  expect(keys.size).toBe(0);
  for (const provider of ["openai", "xai"]) expect(keys.active(provider, "chat")).toBeUndefined();
});

test("a former key seals until the active one is held, provider by provider", () => {
  const { keys } = holding(["openai", "xai"]);
  for (const provider of ["openai", "xai"]) keys.take(subkeys("a", provider), meta("a", 1));
  keys.obey(ring({ a: ["decrypt-only", NOW + 10], b: ["active", null] }));
  keys.take(subkeys("b"), meta("b", 9));
  expect(keys.active("openai", "chat")?.kid).toBe("b");
  expect(keys.active("xai", "chat")?.kid).toBe("a");
  expect(keys.missing()).toEqual([{ kid: "b", provider: "xai", intent: "chat" }]);
});

test("keys are counted by provider, and clear drops all", () => {
  const { keys } = holding(["openai", "xai"]);
  keys.take(subkeys("a"), meta("a", 1));
  expect([keys.countOf("openai"), keys.countOf("xai")]).toEqual([1, 0]);
  keys.clear();
  expect([keys.size, keys.active("openai", "chat")]).toEqual([0, undefined]);
});
