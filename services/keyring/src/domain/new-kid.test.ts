import { isName } from "@scbe/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { T } from "../../test/rings.ts";
import { newKid } from "./new-kid.ts";

test("a kid names its day and its 64 random bits", () => {
  expect(newKid(T, Buffer.from("0123456789abcdef", "hex"))).toBe("k20260102-0123456789abcdef");
});

test("every kid can stand in a header, a subject and a record", () => {
  const random = fc.uint8Array({ minLength: 8, maxLength: 8 });
  fc.assert(fc.property(fc.nat(4e12), random, (nowMs, bytes) => isName(newKid(nowMs, bytes))));
});
