import { PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { type ReadingLimits, ReadingPosts } from "./reading-posts.ts";

const LIMITS: ReadingLimits = { postsMax: 3, totalBytesMax: 1000, bytesMax: 500, timeoutMs: 60_000 };

/** Posts that are being read: what was read of each, once its reading has ended. */
function startPosts(reading: ReadingPosts) {
  const ended = new Map<string, { readonly text: string; readonly isLate: boolean }>();
  return {
    ended,
    begin(name: string, start = ""): PassThrough {
      const stream = new PassThrough();
      void reading.read(stream).then((read) => ended.set(name, read));
      if (start !== "") stream.write(start);
      return stream;
    },
  };
}

test("a post beyond the limit ends the reading of the oldest, which keeps what was read of it", async () => {
  const { begin, ended } = startPosts(new ReadingPosts(LIMITS));
  for (const name of ["a", "b", "c"]) begin(name, `start of ${name}`);
  await delay(1);
  expect(ended.size).toBe(0);
  begin("d").end("whole");
  await delay(1);
  expect(Object.fromEntries(ended)).toEqual({
    a: { text: "start of a", isLate: true },
    d: { text: "whole", isLate: false },
  });
});

test("a post that was read leaves its place to another", async () => {
  const { begin, ended } = startPosts(new ReadingPosts(LIMITS));
  const held = ["a", "b"].map((name) => begin(name, "x"));
  for (const name of ["c", "d", "e"]) {
    begin(name).end(name);
    await delay(1);
  }
  expect([...ended.keys()]).toEqual(["c", "d", "e"]);
  for (const stream of held) stream.end("y");
  await delay(1);
  expect(ended.get("a")).toEqual({ text: "xy", isLate: false });
});

test("bytes beyond the limit of all end the reading of the oldest, and those that were read count no more", async () => {
  const { begin, ended } = startPosts(new ReadingPosts(LIMITS));
  begin("a", "a".repeat(400));
  await delay(1);
  const b = begin("b", "b".repeat(400));
  await delay(1);
  begin("c", "c".repeat(300));
  await delay(1);
  expect(ended.get("a")).toEqual({ text: "a".repeat(400), isLate: true });
  b.end();
  await delay(1);
  begin("d", "d".repeat(450));
  await delay(1);
  expect([...ended.keys()]).toEqual(["a", "b"]);
});

test("a post counts with what is kept of it, and not with what is thrown away", async () => {
  const { begin, ended } = startPosts(new ReadingPosts(LIMITS));
  begin("a", "a");
  await delay(1);
  const long = begin("b");
  for (let chunk = 0; chunk < 50; chunk += 1) long.write("b".repeat(100));
  await delay(1);
  expect([...ended]).toEqual([["b", { text: "b".repeat(500), isLate: false }]]);
});

test("many small chunks are one text, with characters that are split between them", async () => {
  const { begin, ended } = startPosts(new ReadingPosts(LIMITS));
  const text = "€😀".repeat(50);
  const stream = begin("a");
  for (const byte of Buffer.from(text)) stream.write(Buffer.from([byte]));
  stream.end();
  await delay(5);
  expect(ended.get("a")).toEqual({ text, isLate: false });
});

test("a post that comes too slowly is late, with what was read of it", async () => {
  const { begin, ended } = startPosts(new ReadingPosts({ ...LIMITS, timeoutMs: 5 }));
  begin("a", "start");
  await delay(30);
  expect(ended.get("a")).toEqual({ text: "start", isLate: true });
});
