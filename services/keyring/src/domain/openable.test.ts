import { expect, test } from "vitest";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf, T } from "../../test/rings.ts";
import { decryptOnlyMsMax, endOf, isOpenable, openable } from "./openable.ts";

test("a key stays decrypt-only for one window and twice the skew limit", () => {
  expect(decryptOnlyMsMax(300, 600)).toBe(DECRYPT_ONLY_MAX_MS);
  expect(decryptOnlyMsMax(1, 0)).toBe(1000);
});

test.each([
  ["an active key without an end has none", ringKey(), null],
  ["an active key keeps its end, however far", ringKey({ not_after: T + 1e12 }), T + 1e12],
  ["a decrypt-only key ends when its record says", decryptOnly(T, { not_after: T + 5 }), T + 5],
  [
    "a decrypt-only key ends at the limit, though its record says later",
    decryptOnly(T, { not_after: T + 1e12 }),
    T + DECRYPT_ONLY_MAX_MS,
  ],
  [
    "a decrypt-only key ends at the limit, though its record says never",
    decryptOnly(T, { not_after: null }),
    T + DECRYPT_ONLY_MAX_MS,
  ],
])("%s", (_case, key, end) => {
  expect(endOf(key, DECRYPT_ONLY_MAX_MS)).toBe(end);
});

test.each([
  ["an active key opens", ringKey(), T, true],
  ["an active key opens until just before its end", ringKey({ not_after: T + 1 }), T, true],
  ["an active key does not open at its end", ringKey({ not_after: T }), T, false],
  ["a decrypt-only key opens until just before its end", decryptOnly(T), T + DECRYPT_ONLY_MAX_MS - 1, true],
  ["a decrypt-only key does not open at its end", decryptOnly(T), T + DECRYPT_ONLY_MAX_MS, false],
  ["a retired key does not open", ringKey({ state: "retired" }), T, false],
  ["a compromised key does not open", ringKey({ state: "compromised" }), T, false],
])("%s", (_case, key, nowMs, expected) => {
  expect(isOpenable(key, nowMs, DECRYPT_ONLY_MAX_MS)).toBe(expected);
  expect(openable(ringOf([key]), nowMs, DECRYPT_ONLY_MAX_MS)).toEqual(expected ? [key] : []);
});
