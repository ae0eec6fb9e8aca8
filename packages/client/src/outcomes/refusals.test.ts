import { expect, test } from "vitest";
import { Refusals } from "./refusals.ts";

const EPOCH = "e1";
const MINUTE_MS = 60_000;

/** One of whom some provider has opened an envelope at 0 ms. */
function served(): Refusals {
  const refusals = new Refusals();
  refusals.served("anthropic", 0);
  return refusals;
}

test("the second refusal in a row under the epoch in force speaks against its provider, and so does each further one", () => {
  const refusals = served();
  expect([1, 2, 3].map((ms) => refusals.judge("openai", EPOCH, ms))).toEqual([
    "refused",
    "refused_again",
    "refused_again",
  ]);
});

test.each<[string, (refusals: Refusals) => void, string | undefined]>([
  ["the provider has opened one since", (it) => it.served("openai", 2), EPOCH],
  ["the one before was for another epoch", () => undefined, "e2"],
  ["nobody has confirmed the epoch", () => undefined, undefined],
])("a refusal says nothing when %s", (_when, meanwhile, epoch) => {
  const refusals = served();
  refusals.judge("openai", EPOCH, 1);
  meanwhile(refusals);
  expect(refusals.judge("openai", epoch, 3)).toBe("refused");
});

test("one that nobody could confirm is not the first of two", () => {
  const refusals = served();
  refusals.judge("openai", undefined, 1);
  expect(refusals.judge("openai", EPOCH, 2)).toBe("refused");
});

test("nor does one long after the one before, or of a process whose envelopes nobody opens", () => {
  const refusals = served();
  refusals.judge("openai", EPOCH, 1);
  refusals.served("anthropic", MINUTE_MS);
  expect(refusals.judge("openai", EPOCH, MINUTE_MS + 1)).toBe("refused");
  expect(refusals.judge("openai", EPOCH, 2 * MINUTE_MS)).toBe("refused");
  const unserved = new Refusals();
  expect([1, 2, 3].map((ms) => unserved.judge("openai", EPOCH, ms))).toEqual(Array(3).fill("refused"));
});

test("providers are told apart", () => {
  const refusals = served();
  refusals.judge("openai", EPOCH, 1);
  expect(refusals.judge("xai", EPOCH, 2)).toBe("refused");
});
