import { expect, test } from "vitest";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf, T } from "../../test/rings.ts";
import { expire } from "./expire.ts";

const END = T + DECRYPT_ONLY_MAX_MS;

test("a ring in which nothing has ended is the same ring", () => {
  const ring = ringOf([ringKey(), decryptOnly(T), ringKey({ kid: "gone", state: "retired", wrapped: null })]);
  expect(expire(ring, END - 1, DECRYPT_ONLY_MAX_MS)).toBe(ring);
});

test("a key that has reached its end is retired and loses its wrapped copy, in a higher generation", () => {
  const ring = ringOf([ringKey(), decryptOnly(T)]);
  const expired = expire(ring, END, DECRYPT_ONLY_MAX_MS);
  expect(expired.generation).toBe(END);
  expect(expired.keys).toEqual([
    ringKey(),
    ringKey({ kid: "k0", state: "retired", since: END, not_after: null, wrapped: null }),
  ]);
  expect(ring.keys[1]?.state).toBe("decrypt-only");
});

test("an active key with an end is retired at it, too", () => {
  const ring = ringOf([ringKey({ not_after: T + 5 })]);
  expect(expire(ring, T + 4, DECRYPT_ONLY_MAX_MS)).toBe(ring);
  expect(expire(ring, T + 5, DECRYPT_ONLY_MAX_MS).keys[0]).toMatchObject({ state: "retired", wrapped: null });
});

test("what is retired stays as it is, however often it is looked at", () => {
  const once = expire(ringOf([decryptOnly(T)]), END, DECRYPT_ONLY_MAX_MS);
  expect(expire(once, END + 1, DECRYPT_ONLY_MAX_MS)).toBe(once);
});
