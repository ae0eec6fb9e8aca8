import fc from "fast-check";
import { expect, test } from "vitest";
import { Places, type TokenBucket, takeToken, UserRates } from "./limits.ts";

const RATE = { burst: 3, perSecond: 2 };

/** The number of tries at these times that got a token. */
function taken(times: readonly number[]): number {
  let bucket: TokenBucket | undefined;
  let count = 0;
  for (const time of times) {
    const after = takeToken(bucket, time, RATE);
    if (after === undefined) continue;
    bucket = after;
    count += 1;
  }
  return count;
}

test("a burst is served at once, and no more", () => {
  expect(taken([0, 0, 0, 0, 0])).toBe(3);
});

test("an empty bucket fills again at its rate, and a try that gets nothing does not delay it", () => {
  expect(taken([0, 0, 0, 499])).toBe(3);
  expect(taken([0, 0, 0, 100, 200, 300, 499, 500])).toBe(4);
  expect(taken([0, 0, 0, 500, 1000, 1500])).toBe(6);
});

test("a rested bucket holds a burst again, and no more", () => {
  expect(taken([0, 0, 0, 1e9, 1e9, 1e9, 1e9])).toBe(6);
});

test("several tokens are taken at once, or none if there are fewer", () => {
  const after = takeToken(undefined, 0, RATE, 2);
  expect(after).toEqual({ tokens: 1, at: 0 });
  expect(takeToken(after, 0, RATE, 2)).toBeUndefined();
  expect(takeToken(after, 500, RATE, 2)).toEqual({ tokens: 0, at: 500 });
});

test("no pattern of tries gets more than the burst and the rate together", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 60 }), (gaps) => {
      let now = 0;
      const times = gaps.map((gap) => {
        now += gap;
        return now;
      });
      expect(taken(times)).toBeLessThanOrEqual(RATE.burst + (now / 1000) * RATE.perSecond + 1e-9);
    }),
  );
});

test("each user has a bucket of its own, takes several tokens at once, and none if it has fewer", () => {
  const rates = new UserRates({ burst: 10, perSecond: 10 });
  expect([rates.take("a", 0, 8), rates.take("a", 0, 3), rates.take("a", 0, 2)]).toEqual([true, false, true]);
  expect([rates.take("b", 0, 10), rates.take("b", 0)]).toEqual([true, false]);
  expect([rates.take("a", 500, 6), rates.take("a", 500, 5)]).toEqual([false, true]);
});

test("each key has places of its own, and a released place is free again", () => {
  const places = new Places(2);
  for (let taken = 0; taken < 2; taken += 1) places.take("a");
  expect([places.hasFree("a"), places.hasFree("b")]).toEqual([false, true]);
  places.release("a");
  expect(places.hasFree("a")).toBe(true);
  places.release("a");
  places.release("a");
  for (let taken = 0; taken < 2; taken += 1) places.take("a");
  expect(places.hasFree("a")).toBe(false);
});
