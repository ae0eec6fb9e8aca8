import { documentOf } from "@scbe/testkit";
import { expect, test } from "vitest";
import { skewSeconds } from "./skew-seconds.ts";

const BOUNDS = { usualSeconds: 120, limitSeconds: 400 };
const UNTIL = 10_000;

test.each([
  ["while it lasts", 300, UNTIL - 1, 300],
  ["and ends by itself", 300, UNTIL, 120],
  ["and not beyond the limit", 600, UNTIL - 1, 400],
  ["and never narrows", 60, UNTIL - 1, 120],
])("a document widens the skew %s", (_, seconds, nowMs, expected) => {
  const document = documentOf({ skew_window: { seconds, until: UNTIL, reason: "a test" } });
  expect(skewSeconds(document, BOUNDS, nowMs)).toBe(expected);
});

test("without a document, or without a window in it, the skew is as usual", () => {
  expect(skewSeconds(undefined, BOUNDS, 0)).toBe(120);
  expect(skewSeconds(documentOf(), BOUNDS, 0)).toBe(120);
});
