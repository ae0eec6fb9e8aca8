import { expect, test } from "vitest";
import { readJsonStart } from "./read-json-start.ts";

const DOCUMENT = { a: 'text \\ " { [ é 😀', b: [1, { c: null, d: [] }], e: { f: true }, __proto: "x" };
const TEXT = JSON.stringify(DOCUMENT);

test("a whole document is read whole, and nothing in it is open", () => {
  expect(readJsonStart(TEXT)).toEqual({ value: DOCUMENT, open: new Set(), isWhole: true });
});

/** What `value` has stands in `whole`, too: members may be missing, and lists may end early. */
function expectPartOf(value: unknown, whole: unknown): void {
  if (typeof value !== "object" || value === null) expect(value).toBe(whole);
  else
    for (const [key, inner] of Object.entries(value))
      expectPartOf(inner, (whole as Record<string, unknown>)[key]);
}

test("of a document that is cut off anywhere, what is read stands in it, and what is not ended is known to be open", () => {
  for (let length = 1; length < TEXT.length; length += 1) {
    const { value, open, isWhole } = readJsonStart(TEXT.slice(0, length));
    expect(isWhole).toBe(false);
    expect(open.has(value)).toBe(true);
    expectPartOf(value, DOCUMENT);
  }
  const { value } = readJsonStart(TEXT.slice(0, -1));
  expect(JSON.stringify(value)).toBe(TEXT);
});

test("of lists and objects in a document that is cut off, those that were read to their end are not open", () => {
  const { value, open } = readJsonStart('{"a":[1],"b":[{"c":1},{"d":2');
  const { a, b } = value as { a: unknown; b: unknown[] };
  expect([a, b, b[0], b[1]].map((it) => open.has(it))).toEqual([false, true, false, true]);
});

test.each([
  ["a mistake", '{"a":1,"b":[1 2],"c":3}', { a: 1, b: [1] }],
  ["an escape that is none", '{"a":1,"b":"\\q","c":3}', { a: 1 }],
  ["a comment", '{"a":1/* ,"b":2 */,"c":3}', { a: 1 }],
  ["a string without its end", '{"a":"open', {}],
  ["a word that is none", '{"a":1,"b":maybe,"c":3}', { a: 1 }],
  ["a second document", '{"a":1}{"b":2}', { a: 1 }],
])("nothing is read behind %s", (_case, text, expected) => {
  expect({ ...(readJsonStart(text).value as object) }).toEqual(expected);
});

test.each(["", " ", "nonsense", "\u0000"])("of %j nothing is read", (text) => {
  expect(readJsonStart(text).value).toBeUndefined();
});

test("no nesting is too deep to end the reading in order", () => {
  const deep = `{"a":1,"b":${"[".repeat(500_000)}`;
  expect(readJsonStart(deep).value).toMatchObject({ a: 1 });
});

test("a member named __proto__ is one like any other", () => {
  const { value } = readJsonStart('{"__proto__":{"a":1},"b":');
  expect((value as { a?: number }).a).toBeUndefined();
  expect(Object.keys(value as object)).toEqual(["__proto__"]);
});
