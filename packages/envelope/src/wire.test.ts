import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBase64Url, encodeBase64Url, LP_MAX_BYTES, lp } from "./wire.ts";

test("LP: a value follows its length in two bytes, big-endian; text is UTF-8", () => {
  expect(lp("ab").toString("hex")).toBe("00026162");
  expect(lp("", "\u00e9").toString("hex")).toBe("00000002c3a9");
  expect(lp(new Uint8Array(0x0102)).subarray(0, 2).toString("hex")).toBe("0102");
  expect(lp()).toHaveLength(0);
});

test("LP: a value of 65535 bytes is encoded, and a longer one is refused, never cut", () => {
  expect(lp(new Uint8Array(LP_MAX_BYTES)).subarray(0, 2).toString("hex")).toBe("ffff");
  expect(() => lp(new Uint8Array(LP_MAX_BYTES + 1))).toThrow(RangeError);
  // Fewer characters than the limit, but more bytes.
  expect(() => lp("\u00e9".repeat(32_768))).toThrow(RangeError);
});

test("LP: two different lists of values never give the same bytes", () => {
  const list = fc.array(fc.uint8Array({ maxLength: 3, max: 3 }), { maxLength: 4 });
  fc.assert(
    fc.property(list, list, (one, other) => {
      const same = JSON.stringify(one.map((value) => [...value]));
      const isSame = same === JSON.stringify(other.map((value) => [...value]));
      expect(lp(...one).equals(lp(...other))).toBe(isSame);
    }),
    { numRuns: 1000 },
  );
});

test("base64url: encoded bytes are decoded to the same bytes, without padding", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = encodeBase64Url(bytes);
      expect(text).toMatch(/^[A-Za-z0-9_-]*$/);
      expect(decodeBase64Url(text, bytes.length)).toEqual(Buffer.from(bytes));
    }),
  );
});

test("base64url: a view on a larger buffer is encoded without the rest", () => {
  expect(encodeBase64Url(Buffer.from("xabcx").subarray(1, 4))).toBe("YWJj");
});

test("base64url: bytes have one text: each decoded text is encoded as itself", () => {
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

describe("base64url: a text is refused", () => {
  test.each([
    ["with padding", "YQ==", 1],
    ["with loose bits", "YR", 1],
    ["with the alphabet of base64", "+/8A", 3],
    ["with a space", "YWJ j", 3],
    ["with a line's end", "YWJj\n", 3],
    ["with a single character too many", "YWJjY", 3],
    ["of more bytes than are wanted", "YWJj", 2],
    ["of fewer bytes than are wanted", "YWJj", 4],
    ["that is not base64url", "\u00e9\u00e9\u00e9\u00e9", 3],
  ])("%s", (_, text, length) => {
    expect(decodeBase64Url(text, length)).toBeUndefined();
  });
});
