import { expect, test } from "vitest";
import { UserRates } from "./user-rates.ts";

test("each user has a bucket of its own, takes as many tokens as it asks for, and none where there are fewer", () => {
  const rates = new UserRates({ burst: 10, perSecond: 10 });
  expect([rates.take("a", 0, 8), rates.take("a", 0, 3), rates.take("a", 0, 2)]).toEqual([true, false, true]);
  expect([rates.take("b", 0, 10), rates.take("b", 0)]).toEqual([true, false]);
  expect([rates.take("a", 500, 6), rates.take("a", 500, 5)]).toEqual([false, true]);
});
