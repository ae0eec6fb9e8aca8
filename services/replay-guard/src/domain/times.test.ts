import { expect, test } from "vitest";
import { bucketLifeMs, coversNow, eachMinute, minuteOf, minutesToCheck, minutesToMake } from "./times.ts";

const MINUTE_MS = 60_000;
const NOW = 30_000_000 * MINUTE_MS + 30_000;
const TIMES = { windowMs: 300_000, limitMs: 600_000 };

test("a new epoch has buckets from the oldest valid envelope to two minutes beyond the newest", () => {
  expect(minutesToMake(NOW, TIMES)).toEqual({ from: minuteOf(NOW) - 15, to: minuteOf(NOW) + 12 });
});

test("the required minutes are those of the record that an envelope can name now", () => {
  expect(minutesToCheck({ from: 0, to: 40_000_000 }, NOW, TIMES)).toEqual({
    from: minuteOf(NOW) - 15,
    to: minuteOf(NOW) + 10,
  });
  const young = { from: minuteOf(NOW) - 3, to: minuteOf(NOW) + 4 };
  expect(minutesToCheck(young, NOW, TIMES)).toEqual(young);
});

test("a bucket lives until the end of its minute, twice the window and the limit", () => {
  const [window, limit] = [TIMES.windowMs, TIMES.limitMs];
  expect(bucketLifeMs(minuteOf(NOW), NOW, TIMES)).toBe(30_000 + 2 * window + limit);
  expect(bucketLifeMs(0, NOW, TIMES)).toBe(1);
});

test("every required bucket outlives the time for which it is required", () => {
  const { from } = minutesToMake(NOW, TIMES);
  const leftMs = bucketLifeMs(from, NOW, TIMES);
  const neededUntilMs = (from + 1) * MINUTE_MS + TIMES.limitMs + TIMES.windowMs;
  expect(NOW + leftMs).toBeGreaterThan(neededUntilMs);
});

test("a record covers its first and its last minute, and none outside them", () => {
  const minute = minuteOf(NOW);
  expect(coversNow({ from: minute, to: minute }, NOW)).toBe(true);
  expect(coversNow({ from: minute + 1, to: minute + 2 }, NOW)).toBe(false);
  expect(coversNow({ from: minute - 2, to: minute - 1 }, NOW)).toBe(false);
});

test("each minute is listed, both ends included, and none if the range is reversed", () => {
  expect(eachMinute({ from: 3, to: 5 })).toEqual([3, 4, 5]);
  expect(eachMinute({ from: 5, to: 3 })).toEqual([]);
});
