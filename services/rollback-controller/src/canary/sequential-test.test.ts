import { expect, test } from "vitest";
import { countsOf, requestsNeeded, SEQUENTIAL, sequentialScore } from "./sequential-test.ts";

test("three failures at once are too many, and three in a thousand are not", () => {
  expect(sequentialScore({ failures: 2, checked: 2 })).toBeLessThan(SEQUENTIAL.abortFrom);
  expect(sequentialScore({ failures: 3, checked: 3 })).toBeGreaterThan(SEQUENTIAL.abortFrom);
  expect(sequentialScore({ failures: 3, checked: 1000 })).toBeLessThan(SEQUENTIAL.abortFrom);
});

test("746 clean requests are enough for the sequential test, 745 are not", () => {
  expect(sequentialScore({ failures: 0, checked: 745 })).toBeGreaterThan(SEQUENTIAL.promoteTo);
  expect(sequentialScore({ failures: 0, checked: 746 })).toBeLessThanOrEqual(SEQUENTIAL.promoteTo);
});

test("its weights are the logarithms of the two shares", () => {
  const { p0, p1, failure, success } = SEQUENTIAL;
  expect(failure).toBeCloseTo(Math.log(p1 / p0), 3);
  expect(success).toBeCloseTo(Math.log((1 - p1) / (1 - p0)), 5);
});

test.each([
  { share: 0, of: 1000.4, counts: { failures: 0, checked: 1000 } },
  { share: 1.14 / 120.7, of: 120.7, counts: { failures: 1, checked: 121 } },
  { share: 1, of: 0.6, counts: { failures: 1, checked: 1 } },
  { share: 0, of: 0, counts: { failures: 0, checked: 0 } },
])("extrapolated counts become whole numbers: $share of $of", ({ share, of, counts }) => {
  expect(countsOf(share, of)).toEqual(counts);
});

test.each([
  [0, 2995],
  [1, 4742],
  [2, 6294],
  [10, 16_959],
])("with %i failures, %i requests show that fewer than a thousandth fail", (failures, needed) => {
  expect(requestsNeeded(failures)).toBe(needed);
});

test("more failures never need fewer requests, and every number is computed quickly", () => {
  const needed = [0, 1, 5, 50, 500, 1000].map(requestsNeeded);
  expect(needed).toEqual([...needed].sort((a, b) => a - b));
  expect(needed.every(Number.isFinite)).toBe(true);
  expect(requestsNeeded(1001)).toBe(Number.POSITIVE_INFINITY);
  expect(requestsNeeded(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
});
