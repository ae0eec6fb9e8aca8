import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode, isScbeError, ScbeError } from "./errors.ts";
import { readServiceError, SERVICE_ERROR_NUMBERS, serviceErrorHeaders } from "./service-errors.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
const read = (headers: Record<string, string>) => readServiceError((name) => headers[name]);

describe("an error", () => {
  it("is told apart from others by its class and its code", () => {
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

  it("is one short line of printable ASCII, whatever the text is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => {
        for (const value of Object.values(serviceErrorHeaders(new ScbeError("BUSY", text)))) {
          expect(value).toMatch(/^[\x20-\x7e]{0,500}$/);
        }
      }),
    );
  });

  it("reads as INTERNAL when its code is newer than this program, or is none of ours", () => {
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

  it("is none where neither of its headers is", () => {
    expect(read({ "scbe-status": "sealed", "Nats-Service-Error-Code": "500" })).toBeUndefined();
  });
});
