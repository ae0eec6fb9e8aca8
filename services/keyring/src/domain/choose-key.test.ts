import { expect, test } from "vitest";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf, T } from "../../test/rings.ts";
import { chooseKey } from "./choose-key.ts";

const ring = ringOf([
  ringKey(),
  decryptOnly(T - 1000),
  ringKey({ kid: "gone", state: "retired", wrapped: null }),
  ringKey({ kid: "stolen", state: "compromised", wrapped: null }),
]);
const at = (nowMs: number) => ({ nowMs, decryptOnlyMaxMs: DECRYPT_ONLY_MAX_MS });

test("a question that names no kid is about the active key", () => {
  expect(chooseKey(ring, "", at(T))).toEqual({
    kid: "k1",
    state: "active",
    not_after: null,
    ring_generation: 7,
  });
});

test("a question that names a kid is about that one, while it opens", () => {
  const end = T - 1000 + DECRYPT_ONLY_MAX_MS;
  const expected = { kid: "k0", state: "decrypt-only", not_after: end, ring_generation: 7 };
  expect(chooseKey(ring, "k1", at(T))).toMatchObject({ kid: "k1", state: "active" });
  expect(chooseKey(ring, "k0", at(end - 1))).toEqual(expected);
});

test.each([
  ["a decrypt-only key that has reached its end", "k0", T - 1000 + DECRYPT_ONLY_MAX_MS],
  ["a retired key", "gone", T],
  ["a compromised key", "stolen", T],
  ["a kid that was never heard of", "k2", T],
])("%s gets no answer", (_case, kid, nowMs) => {
  expect(chooseKey(ring, kid, at(nowMs))).toBeUndefined();
});

test("without an active key no other one stands in for it", () => {
  expect(chooseKey(ringOf([decryptOnly(T)]), "", at(T))).toBeUndefined();
  expect(chooseKey(ringOf([ringKey({ not_after: T })]), "", at(T))).toBeUndefined();
});
