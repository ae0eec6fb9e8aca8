import { expect, test } from "vitest";
import { T } from "../../test/rings.ts";
import { nextGeneration } from "./next-generation.ts";

test.each([
  ["of a first ring is the time", undefined, T],
  ["after an older one is the time", T - 1, T],
  ["after one of this very millisecond is still higher", T, T + 1],
  ["after one that a fast clock made is still higher", T + 1000, T + 1001],
])("a generation %s", (_case, previous, expected) => {
  expect(nextGeneration(previous, T)).toBe(expected);
});
