import { expect, test } from "vitest";
import { HandBacks } from "./hand-backs.ts";

const MINUTE = 60_000;

test("a change waits two seconds for an announced document, and no longer once it was handed back", () => {
  const it = new HandBacks();
  expect(it.awaited(0)).toBeUndefined();
  it.announce("a", 7, 0);
  it.announce("b", 9, 500);
  expect(it.awaited(1000)).toEqual({ generation: 9, forMs: 1500 });
  it.delivered("b");
  expect(it.awaited(1000)).toEqual({ generation: 7, forMs: 1000 });
  expect(it.awaited(2000)).toBeUndefined();
});

test("a user that announces documents and hands none back makes a change wait once in ten minutes", () => {
  const it = new HandBacks();
  expect(it.announce("a", Number.MAX_SAFE_INTEGER, 0)).toBe(true);
  for (let at = 1; at < 10 * MINUTE; at += MINUTE) expect(it.announce("a", at, at)).toBe(false);
  expect(it.awaited(5 * MINUTE)).toBeUndefined();
  expect(it.announce("a", 9, 10 * MINUTE)).toBe(true);
  expect(it.awaited(10 * MINUTE)).toEqual({ generation: 9, forMs: 2000 });
});

test("a user that has handed a document back may announce another one at once", () => {
  const it = new HandBacks();
  it.announce("a", 7, 0);
  it.delivered("a");
  expect(it.announce("a", 8, 1)).toBe(true);
});

test("a user is outstanding while the document that it announced is newer than the one in force", () => {
  const it = new HandBacks();
  it.announce("a", 7, 0);
  it.announce("b", 9, 0);
  expect([it.outstanding(6, 1), it.outstanding(7, 1), it.outstanding(9, 1)]).toEqual([["a", "b"], ["b"], []]);
  expect(it.outstanding(0, 10 * MINUTE)).toEqual([]);
});

test("each user may hand back eight documents at once and two a second, independent of other users", () => {
  const it = new HandBacks();
  const admitted = (user: string, nowMs: number) =>
    Array.from({ length: 100 }, () => it.admit(user, nowMs)).filter(Boolean).length;
  expect([admitted("a", 0), admitted("a", 1000), admitted("b", 1000)]).toEqual([8, 2, 8]);
});

test("removed users are forgotten", () => {
  const it = new HandBacks();
  it.announce("a", 7, 0);
  it.announce("b", 8, 0);
  it.keep((user) => user === "a");
  expect(it.outstanding(0, 1)).toEqual(["a"]);
});
