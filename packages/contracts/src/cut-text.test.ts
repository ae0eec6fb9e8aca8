import fc from "fast-check";
import { expect, it } from "vitest";
import { cutText } from "./cut-text.ts";

/** Any sequence of UTF-16 units, halves of pairs included. */
const units = fc
  .array(fc.oneof(fc.integer({ min: 0xd800, max: 0xdfff }), fc.integer({ min: 0, max: 0xffff })), {
    maxLength: 40,
  })
  .map((codes) => String.fromCharCode(...codes));
const charactersMax = fc.nat({ max: 50 });

it("leaves a text that is well-formed, and no longer than told", () => {
  fc.assert(
    fc.property(units, charactersMax, (text, max) => {
      const cut = cutText(text, max);
      expect(cut.isWellFormed()).toBe(true);
      expect(cut.length).toBeLessThanOrEqual(max);
    }),
  );
});

it("leaves the start of a well-formed text, all but one character of what is allowed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), charactersMax, (text, max) => {
      const cut = cutText(text, max);
      expect(text.startsWith(cut)).toBe(true);
      expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, max) - 1);
    }),
  );
});

it("leaves out an emoji of which only a half has room, and shows a half that was there before as U+FFFD", () => {
  expect(cutText("ab😀", 3)).toBe("ab");
  expect(cutText("ab😀", 4)).toBe("ab😀");
  expect(cutText("😀", 0)).toBe("");
  expect(cutText("a\ud83d", 9)).toBe("a\ufffd");
});
