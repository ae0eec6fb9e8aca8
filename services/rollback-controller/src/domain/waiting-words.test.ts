import { randomUUID } from "node:crypto";
import {
  ACTOR_MAX,
  INTEGER_MAX,
  REASON_MAX,
  RECENT_IDS_MAX,
  STORES,
  TRUST_WORD_BYTES_MAX,
  WAITING_WORDS_MAX,
} from "@scbe/contracts";
import { expect, test } from "vitest";
import { type TrustWord, trustWords } from "./trust-words.ts";
import { encodeWords, readWords, withoutWord, withWords } from "./waiting-words.ts";

const longest = (): TrustWord => {
  const body = { provider: "p".repeat(64), clears: "c".repeat(64), reason: "語".repeat(REASON_MAX) };
  const speaking = { by: "語".repeat(ACTOR_MAX), at: INTEGER_MAX, newId: randomUUID };
  return trustWords(body, speaking)[0] as TrustWord;
};
const words = (count: number): TrustWord[] => Array.from({ length: count }, longest);

test("as many of the longest words as are kept fit into one value, and each into one message", () => {
  const all = withWords([], words(WAITING_WORDS_MAX));
  expect(encodeWords(all).length).toBeLessThan(STORES.control.maxValueBytes);
  expect(Buffer.byteLength(JSON.stringify(all[0]))).toBeLessThanOrEqual(TRUST_WORD_BYTES_MAX);
  expect(WAITING_WORDS_MAX).toBeLessThan(RECENT_IDS_MAX);
  expect(readWords(encodeWords(all))).toEqual(all);
});

test("words that have no room are refused together, also where one of them had", () => {
  const waiting = withWords(words(1), words(WAITING_WORDS_MAX - 2));
  expect(waiting).toHaveLength(WAITING_WORDS_MAX - 1);
  expect(() => withWords(waiting, words(2))).toThrow(expect.objectContaining({ code: "BUSY" }));
  expect(withWords(waiting, words(1))).toHaveLength(WAITING_WORDS_MAX);
});

test("one that is taken out leaves the others in their order", () => {
  const waiting = words(3);
  expect(withoutWord(waiting, waiting[1]?.id ?? "")).toEqual([waiting[0], waiting[2]]);
  expect(withoutWord(waiting, randomUUID())).toBe(waiting);
});

test.each([
  ["nothing", ""],
  ["no JSON", "{"],
  ["another version", JSON.stringify({ v: 2, words: [] })],
  ["an event that is no person's word", JSON.stringify({ v: 1, words: [{ kind: "outcome" }] })],
  ["more words than are kept", JSON.stringify({ v: 1, words: words(WAITING_WORDS_MAX + 1) })],
])("%s is no list of words", (_, text) => {
  expect(readWords(Buffer.from(text))).toBeUndefined();
});
