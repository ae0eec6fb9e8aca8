import { STORES } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import {
  encodeVerifiers,
  fitVerifiers,
  type KnownVerifier,
  type KnownVerifiers,
  lastHeardAt,
  NOTHING_HEARD,
  nameTheSame,
  readVerifiers,
} from "./known-verifiers.ts";

const NOW = 1_796_092_873_965;
const LONGEST = "u".repeat(57);
const one = (user: string, heardAt = NOW, fallback = false): KnownVerifier => ({
  ...{ user, verifier: crypto.randomUUID(), heardAt, fallback },
});
const of = (...heard: KnownVerifier[]): KnownVerifiers => ({ ...NOTHING_HEARD, heard });
const many = (user: string, count: number) => Array.from({ length: count }, (_, n) => one(user, NOW - n));
const userOf = (n: number) => `${LONGEST}-${n}`.slice(-64);

describe("a record", () => {
  test("is read as it was written: ids, times, permission of fallback, users with more verifiers, and losses", () => {
    const known = { heard: [one("a"), one("b", 5, true)], more: new Map([["c", 7]]), lostAt: 9 };
    expect(readVerifiers(encodeVerifiers(known))).toEqual(known);
    expect(readVerifiers(encodeVerifiers(NOTHING_HEARD))).toEqual(NOTHING_HEARD);
  });

  test.each([
    ["is no JSON", "{"],
    ["is of another version", '{"v":2,"lost_at":null,"users":[]}'],
    [
      "has an invalid id",
      '{"v":1,"lost_at":null,"users":[{"user":"a","more_at":null,"verifiers":[["x",1,true]]}]}',
    ],
    ["has an invalid user", '{"v":1,"lost_at":null,"users":[{"user":"A B","more_at":null,"verifiers":[]}]}'],
  ])("that %s is refused", (_, text) => {
    expect(readVerifiers(Buffer.from(text))).toBeUndefined();
  });
});

describe("what a value holds", () => {
  const bytesOf = (known: KnownVerifiers) => encodeVerifiers(known).length;
  const countOf = ({ heard }: KnownVerifiers, user: string) => heard.filter((it) => it.user === user).length;

  test("is all of them if they fit", () => {
    const known = of(...many("a", 64), ...many("b", 64));
    expect(fitVerifiers(known, NOW)).toEqual(known);
  });

  test("is bounded: the last heard of a user with too many, which is marked, and all of the others", () => {
    const fit = fitVerifiers(of(...many("flood", 50_000), ...many("a", 64)), NOW);
    expect(bytesOf(fit)).toBeLessThan(STORES.control.maxValueBytes);
    expect(bytesOf(fit)).toBeGreaterThan(STORES.control.maxValueBytes / 2);
    expect([countOf(fit, "a"), [...fit.more.keys()]]).toEqual([64, ["flood"]]);
    const kept = countOf(fit, "flood");
    expect(fit.more.get("flood")).toBe(NOW - kept);
  });

  test("has verifiers or a mark for each of 3,000 users with the longest names and values", () => {
    const users = Array.from({ length: 3000 }, (_, n) => userOf(n));
    const known = of(...users.flatMap((user) => many(user, 8)));
    const fit = fitVerifiers(known, NOW);
    expect(bytesOf(fit)).toBeLessThan(STORES.control.maxValueBytes);
    const named = new Set([...fit.heard.map(({ user }) => user), ...fit.more.keys()]);
    expect(named.size).toBe(3000);
  });

  test("says only that any verifier may be missing if even the marks are too many", () => {
    const known = of(...Array.from({ length: 6000 }, (_, n) => one(userOf(n))));
    expect(fitVerifiers(known, NOW)).toEqual({ ...NOTHING_HEARD, lostAt: NOW });
  });
});

test("two records name the same if they have the same verifiers and marks, in any order and with any times", () => {
  const [a, b] = [one("a"), one("b")];
  expect(nameTheSame(of(a, b), of({ ...b, heardAt: 1 }, a))).toBe(true);
  expect(nameTheSame(of(a, b), of(a))).toBe(false);
  expect(nameTheSame(of(a), of({ ...a, user: "b" }))).toBe(false);
  expect(nameTheSame(of(a), { ...of(a), more: new Map([["a", 1]]) })).toBe(false);
  expect(nameTheSame(of(a), { ...of(a), lostAt: 1 })).toBe(false);
});

test("the latest time of a record is that of its verifiers, its marks or its loss", () => {
  expect(lastHeardAt(NOTHING_HEARD)).toBe(0);
  expect(lastHeardAt({ heard: [one("a", 3), one("a", 2)], more: new Map([["b", 1]]), lostAt: 2 })).toBe(3);
  expect(lastHeardAt({ heard: [one("a", 3)], more: new Map([["b", 4]]), lostAt: 5 })).toBe(5);
});
