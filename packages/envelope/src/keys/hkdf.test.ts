import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hkdf } from "../../test/craft.ts";
import { hkdfSha256 } from "./hkdf.ts";

/** RFC 5869, appendix A.1 to A.3: the cases with SHA-256. */
const RFC_5869 = [
  {
    name: "A.1, basic",
    ikm: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
    salt: "000102030405060708090a0b0c",
    info: "f0f1f2f3f4f5f6f7f8f9",
    okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  },
  {
    name: "A.2, longer inputs and outputs",
    ikm: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    okm: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
  },
  {
    name: "A.3, empty salt and info",
    ikm: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
    salt: "",
    info: "",
    okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  },
];

/** Every byte from `first` to `last`, as hex. */
function range(first: number, last: number): string {
  return Buffer.from(Array.from({ length: last - first + 1 }, (_, index) => first + index)).toString("hex");
}

describe("HKDF gives what RFC 5869 says, from bytes and from a KeyObject, in its appendix's case", () => {
  test.each(RFC_5869)("$name", ({ ikm, salt, info, okm }) => {
    const [secret, saltBytes, infoBytes] = [ikm, salt, info].map((hex) => Buffer.from(hex, "hex"));
    if (secret === undefined || saltBytes === undefined || infoBytes === undefined)
      throw new Error("no case");
    for (const key of [secret, createSecretKey(secret)]) {
      expect(hkdfSha256(key, saltBytes, infoBytes, okm.length / 2).toString("hex")).toBe(okm);
    }
  });
});

test("HKDF gives what the formulas of RFC 5869 give by HMAC, for all inputs", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 300 }), (ikm, salt, info, length) => {
      expect(hkdfSha256(ikm, salt, info, length)).toEqual(hkdf(ikm, salt, info, length));
    }),
    { numRuns: 300 },
  );
});

test("HKDF gives no more than 255 blocks", () => {
  const none = new Uint8Array();
  expect(hkdfSha256(none, none, none, 255 * 32)).toHaveLength(8160);
  expect(() => hkdfSha256(none, none, none, 255 * 32 + 1)).toThrow(RangeError);
});
