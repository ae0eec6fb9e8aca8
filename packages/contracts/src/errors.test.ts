import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cutText,
  decodeProblem,
  ERROR_CODES,
  type ErrorCode,
  encodeProblem,
  isScbeError,
  readServiceError,
  ScbeError,
  SERVICE_ERROR_NUMBERS,
  serviceErrorHeaders,
} from "./errors.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
const read = (headers: Record<string, string>) => readServiceError((name) => headers[name]);

describe("an error", () => {
  it("is recognized by its class and its code", () => {
    const error = new ScbeError("BUSY", "later");
    expect([isScbeError(error), isScbeError(error, "BUSY"), isScbeError(error, "TIMEOUT")]).toEqual([
      true,
      true,
      false,
    ]);
    expect([isScbeError(new Error("BUSY")), isScbeError(undefined), isScbeError({ code: "BUSY" })]).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe("a service error in headers", () => {
  it.each(CODES)("keeps its code and its public text: %s", (code) => {
    const error = read(serviceErrorHeaders(new ScbeError(code, "what happened")));
    expect(error).toMatchObject({ code, message: "what happened" });
    expect(SERVICE_ERROR_NUMBERS[code]).toBeGreaterThanOrEqual(400);
  });

  it("never holds the cause", () => {
    const error = new ScbeError("INTERNAL", "internal error", { cause: new Error("the inner cause") });
    expect(JSON.stringify(serviceErrorHeaders(error))).not.toContain("inner");
  });

  it("is one short line of printable ASCII for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => {
        for (const value of Object.values(serviceErrorHeaders(new ScbeError("BUSY", text)))) {
          expect(value).toMatch(/^[\x20-\x7e]{0,500}$/);
        }
      }),
    );
  });

  it("reads as INTERNAL if its code is newer than this program, or is not ours", () => {
    expect(read({ "scbe-error": "BRAND_NEW", "Nats-Service-Error": "x" })).toMatchObject({
      code: "INTERNAL",
      message: "x",
    });
    expect(read({ "scbe-error": "constructor" })).toMatchObject({ code: "INTERNAL" });
    expect(read({ "Nats-Service-Error": "of another service" })).toMatchObject({
      code: "INTERNAL",
      message: "of another service",
    });
    expect(read({ "scbe-error": "BUSY" })).toMatchObject({ code: "BUSY", message: ERROR_CODES.BUSY });
  });

  it("is not read without its headers", () => {
    expect(read({ "scbe-status": "sealed", "Nats-Service-Error-Code": "500" })).toBeUndefined();
  });
});

const decode = (text: string) => decodeProblem(new TextEncoder().encode(text));

describe("a problem", () => {
  it("reads as the encoded error, in any language", () => {
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
    ["not JSON", "<html>"],
    ["empty", ""],
    ["another shape", '{"error":"x"}'],
    ["a code that is not a string", '{"code":5,"title":"x"}'],
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

  it("can have members that this program does not know", () => {
    expect(decode('{"code":"BUSY","title":"x","more":1}')).toMatchObject({ code: "BUSY" });
  });
});

describe("a cut text", () => {
  /** Any sequence of UTF-16 units, with lone surrogates. */
  const units = fc
    .array(fc.oneof(fc.integer({ min: 0xd800, max: 0xdfff }), fc.integer({ min: 0, max: 0xffff })), {
      maxLength: 40,
    })
    .map((codes) => String.fromCharCode(...codes));
  const charactersMax = fc.nat({ max: 50 });

  it("is well-formed, and at most as long as the limit", () => {
    fc.assert(
      fc.property(units, charactersMax, (text, max) => {
        const cut = cutText(text, max);
        expect(cut.isWellFormed()).toBe(true);
        expect(cut.length).toBeLessThanOrEqual(max);
      }),
    );
  });

  it("is the start of a well-formed text, at most one unit shorter than the limit", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), charactersMax, (text, max) => {
        const cut = cutText(text, max);
        expect(text.startsWith(cut)).toBe(true);
        expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, max) - 1);
      }),
    );
  });

  it("leaves out an emoji that fits only by half, and replaces a lone surrogate by U+FFFD", () => {
    expect(cutText("ab😀", 3)).toBe("ab");
    expect(cutText("ab😀", 4)).toBe("ab😀");
    expect(cutText("😀", 0)).toBe("");
    expect(cutText("a\ud83d", 9)).toBe("a\ufffd");
  });
});
