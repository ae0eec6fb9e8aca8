import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";

test("what is encoded is decoded to the same bytes, without padding", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = encodeBase64Url(bytes);
      expect(text).toMatch(/^[A-Za-z0-9_-]*$/);
      expect(decodeBase64Url(text, bytes.length)).toEqual(Buffer.from(bytes));
    }),
  );
});

test("a view on a larger buffer is encoded as what it shows", () => {
  expect(encodeBase64Url(Buffer.from("xabcx").subarray(1, 4))).toBe("YWJj");
});

test("bytes have one text: whatever is decoded is encoded as the same text again", () => {
  const letters = fc.string({ unit: fc.constantFrom(..."ABCDQZaz09-_+/= \n"), maxLength: 8 });
  fc.assert(
    fc.property(letters, fc.nat(6), (text, length) => {
      const bytes = decodeBase64Url(text, length);
      if (bytes === undefined) return;
      expect(bytes).toHaveLength(length);
      expect(encodeBase64Url(bytes)).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

describe("a text is refused", () => {
  test.each([
    ["with padding", "YQ==", 1],
    ["with loose bits", "YR", 1],
    ["with the alphabet of base64", "+/8A", 3],
    ["with a space", "YWJ j", 3],
    ["with a line's end", "YWJj\n", 3],
    ["with a single character too many", "YWJjY", 3],
    ["of more bytes than are wanted", "YWJj", 2],
    ["of fewer bytes than are wanted", "YWJj", 4],
    ["that is no base64url at all", "\u00e9\u00e9\u00e9\u00e9", 3],
  ])("%s", (_, text, length) => {
    expect(decodeBase64Url(text, length)).toBeUndefined();
  });
});
