import fc from "fast-check";
import { expect, test } from "vitest";
import { LP_MAX_BYTES, lp } from "./lp.ts";

test("a value stands behind its length in two bytes, big-endian; text as UTF-8", () => {
  expect(lp("ab").toString("hex")).toBe("00026162");
  expect(lp("", "\u00e9").toString("hex")).toBe("00000002c3a9");
  expect(lp(new Uint8Array(0x0102)).subarray(0, 2).toString("hex")).toBe("0102");
  expect(lp()).toHaveLength(0);
});

test("a value of 65535 bytes is carried, and one more byte is refused, never cut", () => {
  expect(lp(new Uint8Array(LP_MAX_BYTES)).subarray(0, 2).toString("hex")).toBe("ffff");
  expect(() => lp(new Uint8Array(LP_MAX_BYTES + 1))).toThrow(RangeError);
  // Fewer characters than the limit, and more bytes.
  expect(() => lp("\u00e9".repeat(32_768))).toThrow(RangeError);
});

test("two different lists of values never give the same bytes", () => {
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
