import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

const LIMITS = { firstMs: 250, maxMs: 15_000 };

test("a pause doubles with each failure in a row, up to its limit", () => {
  const pauses = [1, 2, 3, 6, 7, 8, 1000].map((failures) => backoffMs(failures, 1, LIMITS));
  expect(pauses).toEqual([250, 500, 1000, 8000, 15_000, 15_000, 15_000]);
});

test("the random share keeps a pause within the upper half of its ceiling", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, random) => {
        const longest = backoffMs(failures, 1, LIMITS);
        const pause = backoffMs(failures, random, LIMITS);
        expect(pause).toBeGreaterThanOrEqual(Math.floor(longest / 2));
        expect(pause).toBeLessThanOrEqual(longest);
      },
    ),
  );
});
