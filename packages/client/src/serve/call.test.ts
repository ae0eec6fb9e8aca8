import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { Cancellations, cancelIdOf } from "./call.ts";

test("a cancelled hash is known, another one is not", () => {
  const cancellations = new Cancellations();
  const hash = randomBytes(32);
  expect(cancellations.note(hash)).toBe(cancelIdOf(hash));
  expect(cancellations.has(cancelIdOf(hash))).toBe(true);
  expect(cancellations.has(cancelIdOf(randomBytes(32)))).toBe(false);
});

test.each([0, 31, 33])("a message of %i bytes cancels nothing", (length) => {
  expect(new Cancellations().note(randomBytes(length))).toBeUndefined();
});

test("the memory is bounded, and the oldest goes first", () => {
  const cancellations = new Cancellations(2);
  const [first, second, third] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  for (const hash of [first, second, third]) cancellations.note(hash);
  expect([first, second, third].map((hash) => cancellations.has(cancelIdOf(hash)))).toEqual([
    false,
    true,
    true,
  ]);
});
