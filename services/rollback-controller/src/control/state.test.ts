import { expect, test } from "vitest";
import { sealedShare } from "./state.ts";

test.each([
  ["all of a provider that no flag names", {}, 1],
  ["the percentage of one that is named", { openai: { enabled: true, traffic_percentage: 25 } }, 0.25],
  ["nothing of one that is off", { openai: { enabled: false, traffic_percentage: 25 } }, 0],
])("%s is sealed", (_, providers, share) => {
  expect(sealedShare({ enabled: true, providers }, "openai")).toBe(share);
});

test("the sealed share of every provider is 0 while sealing is off", () => {
  expect(sealedShare({ enabled: false, providers: {} }, "openai")).toBe(0);
});
