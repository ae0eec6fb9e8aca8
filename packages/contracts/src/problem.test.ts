import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode, ScbeError } from "./errors.ts";
import { decodeProblem, encodeProblem } from "./problem.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
const decode = (text: string) => decodeProblem(new TextEncoder().encode(text));

describe("a problem", () => {
  it("reads as the error it was made of, in any language", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CODES),
        fc.string({ unit: "grapheme", maxLength: 200 }),
        (code, text) => {
          const read = decodeProblem(encodeProblem(new ScbeError(code, text)));
          expect(read).toMatchObject({ code, message: text.slice(0, 500) });
        },
      ),
    );
  });

  it("never holds the cause, and is bounded", () => {
    const error = new ScbeError("HANDLER_FAILED", "x".repeat(10_000), {
      cause: new Error("the inner cause"),
    });
    const bytes = encodeProblem(error);
    expect(Buffer.from(bytes).toString()).not.toContain("inner");
    expect(bytes.length).toBeLessThan(1000);
  });

  it.each([
    ["no JSON", "<html>"],
    ["nothing", ""],
    ["another shape", '{"error":"x"}'],
    ["a code that is no text", '{"code":5,"title":"x"}'],
    ["a title that is too long", JSON.stringify({ code: "BUSY", title: "x".repeat(1001) })],
  ])("that is %s reads as HANDLER_FAILED", (_name, text) => {
    expect(decode(text)).toMatchObject({ code: "HANDLER_FAILED", message: "a problem that cannot be read" });
  });

  it.each(["BRAND_NEW", "toString", "__proto__"])(
    "with the unknown code %s reads as HANDLER_FAILED with its title",
    (code) => {
      expect(decode(JSON.stringify({ code, title: "why" }))).toMatchObject({
        code: "HANDLER_FAILED",
        message: "why",
      });
    },
  );

  it("may have members that this program does not know", () => {
    expect(decode('{"code":"BUSY","title":"x","more":1}')).toMatchObject({ code: "BUSY" });
  });
});
