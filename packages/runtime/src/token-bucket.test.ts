import fc from "fast-check";
import { expect, test } from "vitest";
import { type TokenBucket, takeToken } from "./token-bucket.ts";

const RATE = { burst: 3, perSecond: 2 };

/** How many of the tries at these times got a token. */
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

test("a burst is served at once, and what exceeds it is not", () => {
  expect(taken([0, 0, 0, 0, 0])).toBe(3);
});

test("an empty bucket fills again at its rate, and a try that gets nothing does not delay it", () => {
  expect(taken([0, 0, 0, 499])).toBe(3);
  expect(taken([0, 0, 0, 100, 200, 300, 499, 500])).toBe(4);
  expect(taken([0, 0, 0, 500, 1000, 1500])).toBe(6);
});

test("a bucket that rests holds a burst again, and no more", () => {
  expect(taken([0, 0, 0, 1e9, 1e9, 1e9, 1e9])).toBe(6);
});

test("more than one token is taken at once, or none where there are fewer", () => {
  const after = takeToken(undefined, 0, RATE, 2);
  expect(after).toEqual({ tokens: 1, at: 0 });
  expect(takeToken(after, 0, RATE, 2)).toBeUndefined();
  expect(takeToken(after, 500, RATE, 2)).toEqual({ tokens: 0, at: 500 });
});

test("no pattern of questions gets more than the burst and the rate together", () => {
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
