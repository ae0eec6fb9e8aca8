import { PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { type PostLimits, PostReader, readJsonStart } from "./read-post.ts";

const LIMITS: PostLimits = { postsMax: 3, totalBytesMax: 1000, bytesMax: 500, timeoutMs: 60_000 };

/** Posts that are read, and the text of each once reading it has ended. */
function startPosts(reading: PostReader) {
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

test("a post beyond the limit ends reading the oldest one, which keeps its text so far", async () => {
  const { begin, ended } = startPosts(new PostReader(LIMITS));
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

test("a post that was read frees its place", async () => {
  const { begin, ended } = startPosts(new PostReader(LIMITS));
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

test("bytes beyond the total limit end reading the oldest post, and bytes of finished posts do not count", async () => {
  const { begin, ended } = startPosts(new PostReader(LIMITS));
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

test("only the kept bytes of a post count, not the discarded ones", async () => {
  const { begin, ended } = startPosts(new PostReader(LIMITS));
  begin("a", "a");
  await delay(1);
  const long = begin("b");
  for (let chunk = 0; chunk < 50; chunk += 1) long.write("b".repeat(100));
  await delay(1);
  expect([...ended]).toEqual([["b", { text: "b".repeat(500), isLate: false }]]);
});

test("many small chunks are one text, even with characters split between them", async () => {
  const { begin, ended } = startPosts(new PostReader(LIMITS));
  const text = "€😀".repeat(50);
  const stream = begin("a");
  for (const byte of Buffer.from(text)) stream.write(Buffer.from([byte]));
  stream.end();
  await delay(5);
  expect(ended.get("a")).toEqual({ text, isLate: false });
});

test("a post that arrives too slowly is late, and keeps its text so far", async () => {
  const { begin, ended } = startPosts(new PostReader({ ...LIMITS, timeoutMs: 5 }));
  begin("a", "start");
  await delay(30);
  expect(ended.get("a")).toEqual({ text: "start", isLate: true });
});

const DOCUMENT = { a: 'text \\ " { [ é 😀', b: [1, { c: null, d: [] }], e: { f: true }, __proto: "x" };
const TEXT = JSON.stringify(DOCUMENT);

test("a whole document is read completely, and nothing in it is open", () => {
  expect(readJsonStart(TEXT)).toEqual({ value: DOCUMENT, open: new Set(), isWhole: true });
});

/** `value` is part of `whole`: members may be missing, and lists may end early. */
function expectPartOf(value: unknown, whole: unknown): void {
  if (typeof value !== "object" || value === null) expect(value).toBe(whole);
  else
    for (const [key, inner] of Object.entries(value))
      expectPartOf(inner, (whole as Record<string, unknown>)[key]);
}

test("a document that is cut off anywhere yields only its own content, and its unfinished parts are open", () => {
  for (let length = 1; length < TEXT.length; length += 1) {
    const { value, open, isWhole } = readJsonStart(TEXT.slice(0, length));
    expect(isWhole).toBe(false);
    expect(open.has(value)).toBe(true);
    expectPartOf(value, DOCUMENT);
  }
  const { value } = readJsonStart(TEXT.slice(0, -1));
  expect(JSON.stringify(value)).toBe(TEXT);
});

test("in a document that is cut off, complete lists and objects are not open", () => {
  const { value, open } = readJsonStart('{"a":[1],"b":[{"c":1},{"d":2');
  const { a, b } = value as { a: unknown; b: unknown[] };
  expect([a, b, b[0], b[1]].map((it) => open.has(it))).toEqual([false, true, false, true]);
});

test.each([
  ["a mistake", '{"a":1,"b":[1 2],"c":3}', { a: 1, b: [1] }],
  ["an invalid escape", '{"a":1,"b":"\\q","c":3}', { a: 1 }],
  ["a comment", '{"a":1/* ,"b":2 */,"c":3}', { a: 1 }],
  ["a string without its end", '{"a":"open', {}],
  ["an unknown literal", '{"a":1,"b":maybe,"c":3}', { a: 1 }],
  ["a second document", '{"a":1}{"b":2}', { a: 1 }],
])("nothing is read after %s", (_case, text, expected) => {
  expect({ ...(readJsonStart(text).value as object) }).toEqual(expected);
});

test.each(["", " ", "nonsense", "\u0000"])("%j yields nothing", (text) => {
  expect(readJsonStart(text).value).toBeUndefined();
});

test("any depth of nesting ends the reading in order", () => {
  const deep = `{"a":1,"b":${"[".repeat(500_000)}`;
  expect(readJsonStart(deep).value).toMatchObject({ a: 1 });
});

test("a member named __proto__ is an ordinary one", () => {
  const { value } = readJsonStart('{"__proto__":{"a":1},"b":');
  expect((value as { a?: number }).a).toBeUndefined();
  expect(Object.keys(value as object)).toEqual(["__proto__"]);
});
