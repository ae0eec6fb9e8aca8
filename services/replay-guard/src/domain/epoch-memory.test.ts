import { expect, test } from "vitest";
import { EpochMemory, isBehind } from "./epoch-memory.ts";

const FIRST = { epoch: "first", generation: 5, to: 10 };
const SECOND = { epoch: "second", generation: 6, to: 3 };

test("the newest record is remembered, whatever comes after it", () => {
  const memory = new EpochMemory(0);
  for (const record of [FIRST, { ...FIRST, to: 12 }, { ...FIRST, to: 11 }]) memory.note(record);
  expect(memory.seen).toEqual({ ...FIRST, to: 12 });
  memory.note(SECOND);
  memory.note({ ...FIRST, to: 99 });
  expect(memory.seen).toEqual(SECOND);
});

test("an epoch is quiet since it was last heard, or since this guard listens", () => {
  const memory = new EpochMemory(1000);
  expect(memory.quietMs("first", 1500)).toBe(500);
  memory.hear(FIRST, 2000);
  memory.hear(SECOND, 2600);
  expect(memory.quietMs("first", 2700)).toBe(700);
  expect(memory.quietMs("second", 2700)).toBe(100);
});

test("what is heard counts as seen, and what is heard of is bounded", () => {
  const memory = new EpochMemory(0);
  for (let generation = 1; generation <= 100; generation += 1) {
    memory.hear({ epoch: `epoch-${generation}`, generation, to: 1 }, generation);
  }
  expect(memory.seen?.generation).toBe(100);
  expect(memory.quietMs("epoch-1", 100)).toBe(100);
  expect(memory.quietMs("epoch-100", 100)).toBe(0);
});

test.each([
  ["a lower generation", { ...FIRST, generation: 4, to: 99 }, true],
  ["an earlier end", { ...FIRST, to: 9 }, true],
  ["another epoch of the same generation", { ...FIRST, epoch: "other" }, true],
  ["the same", FIRST, false],
  ["a later end", { ...FIRST, to: 11 }, false],
  ["a higher generation", SECOND, false],
])("a stored record with %s is behind what was seen: %#", (_what, stored, behind) => {
  expect(isBehind(stored, FIRST)).toBe(behind);
  expect(isBehind(stored, undefined)).toBe(false);
});
