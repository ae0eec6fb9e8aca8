import { expect, test } from "vitest";
import { RandomPool } from "./random-pool.ts";

/** Equal starts, or runs of zeros, would be repeated or wiped bytes. */
test("a pool gives the requested number of bytes and never repeats them, however often it is filled", () => {
  const pool = new RandomPool();
  const sizes = Array.from({ length: 3000 }, (_, index) => 12 + ((index * 7) % 29));
  const drawn = sizes.map((size) => pool.takeBase64Url(size));
  expect(drawn.map((text) => Buffer.from(text, "base64url").length)).toEqual(sizes);
  expect(new Set(drawn.map((text) => text.slice(0, 16))).size).toBe(sizes.length);
  expect(new Set(drawn.map((text) => text.slice(-12))).size).toBe(sizes.length);
  expect(drawn.filter((text) => text.includes("A".repeat(8)))).toEqual([]);
});

test("two pools give different bytes", () => {
  const [one, other] = [new RandomPool(), new RandomPool()];
  expect(one.takeBase64Url(24)).not.toBe(other.takeBase64Url(24));
});
