import { randomUUID } from "node:crypto";
import {
  ACTOR_MAX,
  INTEGER_MAX,
  PENDING_OVERRIDES_MAX,
  REASON_MAX,
  RECENT_IDS_MAX,
  STORES,
  TRUST_OVERRIDE_BYTES_MAX,
} from "@scbe/contracts";
import { expect, test } from "vitest";
import {
  encodeOverrides,
  overrideEvents,
  readOverrides,
  type TrustOverride,
  withOverrides,
  withoutOverride,
} from "./overrides.ts";

const longest = (): TrustOverride => {
  const body = { provider: "p".repeat(64), clears: "c".repeat(64), reason: "語".repeat(REASON_MAX) };
  const speaking = { by: "語".repeat(ACTOR_MAX), at: INTEGER_MAX, newId: randomUUID };
  return overrideEvents(body, speaking)[0] as TrustOverride;
};
const overridesOf = (count: number): TrustOverride[] => Array.from({ length: count }, longest);

test("the greatest number of the longest overrides fits into one value, and each into one message", () => {
  const all = withOverrides([], overridesOf(PENDING_OVERRIDES_MAX));
  expect(encodeOverrides(all).length).toBeLessThan(STORES.control.maxValueBytes);
  expect(Buffer.byteLength(JSON.stringify(all[0]))).toBeLessThanOrEqual(TRUST_OVERRIDE_BYTES_MAX);
  expect(PENDING_OVERRIDES_MAX).toBeLessThan(RECENT_IDS_MAX);
  expect(readOverrides(encodeOverrides(all))).toEqual(all);
});

test("overrides without room for all are refused together", () => {
  const waiting = withOverrides(overridesOf(1), overridesOf(PENDING_OVERRIDES_MAX - 2));
  expect(waiting).toHaveLength(PENDING_OVERRIDES_MAX - 1);
  expect(() => withOverrides(waiting, overridesOf(2))).toThrow(expect.objectContaining({ code: "BUSY" }));
  expect(withOverrides(waiting, overridesOf(1))).toHaveLength(PENDING_OVERRIDES_MAX);
});

test("the removal of one keeps the order of the others", () => {
  const waiting = overridesOf(3);
  expect(withoutOverride(waiting, waiting[1]?.id ?? "")).toEqual([waiting[0], waiting[2]]);
  expect(withoutOverride(waiting, randomUUID())).toBe(waiting);
});

test.each([
  ["nothing", ""],
  ["no JSON", "{"],
  ["another version", JSON.stringify({ v: 2, words: [] })],
  ["an event that is no override", JSON.stringify({ v: 1, words: [{ kind: "outcome" }] })],
  ["more overrides than are kept", JSON.stringify({ v: 1, words: overridesOf(PENDING_OVERRIDES_MAX + 1) })],
])("%s is no list of overrides", (_, text) => {
  expect(readOverrides(Buffer.from(text))).toBeUndefined();
});
