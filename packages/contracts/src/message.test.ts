import { describe, expect, it, test } from "vitest";
import { z } from "zod";
import { jcs, readCanonical, readMessage, writeMessage } from "./message.ts";

const Shape = z.strictObject({ a: z.number(), b: z.string().optional() });
const read = (data: string | Uint8Array, bytesMax = 64) =>
  readMessage(typeof data === "string" ? Buffer.from(data, "utf8") : data, Shape, bytesMax);

describe("the canonical text", () => {
  it("has its members in order, without spaces", () => {
    expect(jcs({ b: "é", a: [1e21, -0, 0.1], A: null })).toBe('{"A":null,"a":[1e+21,0,0.1],"b":"é"}');
  });

  it("leaves out undefined members", () => {
    expect(jcs({ a: 1, b: undefined })).toBe('{"a":1}');
  });

  it.each<[string, unknown]>([
    ["undefined", undefined],
    ["a lone surrogate", { b: "\ud800" }],
    ["NaN", { a: Number.NaN }],
    ["an infinity", { a: Number.POSITIVE_INFINITY }],
  ])("does not exist for %s", (_what, value) => {
    expect(() => jcs(value)).toThrow();
  });
});

describe("a message", () => {
  it.each([{ a: 1 }, { a: 0.1, b: "é\n\u{1f600}\ufffd" }])("is read as written: %j", (value) => {
    expect(readMessage(writeMessage(value), Shape, 64)).toEqual(value);
  });

  it.each([
    ["empty", ""],
    ["invalid JSON", "{"],
    ["another shape", '{"b":"x"}'],
    ["a member too many", '{"a":1,"c":1}'],
    ["__proto__", '{"__proto__":{"b":"x"},"a":1}'],
    ["a member twice", '{"a":1,"a":1}'],
    ["another order", '{"b":"x","a":1}'],
    ["a space", '{"a": 1}'],
    ["a line feed behind it", '{"a":1}\n'],
    ["another spelling of a number", '{"a":1.0}'],
    ["another spelling of a text", '{"a":1,"b":"\\u0078"}'],
    ["a lone surrogate as an escape", '{"a":1,"b":"\\ud800"}'],
    ["a byte order mark", '\ufeff{"a":1}'],
  ])("is never %s", (_what, text) => {
    expect(read(text)).toBeUndefined();
    expect(readCanonical(text, Shape)).toBeUndefined();
  });

  it("is never invalid UTF-8, though a decoder reads it as U+FFFD", () => {
    const bytes = Buffer.concat([Buffer.from('{"a":1,"b":"'), Buffer.of(0xff), Buffer.from('"}')]);
    expect(bytes.toString("utf8")).toBe('{"a":1,"b":"\ufffd"}');
    expect(read(bytes)).toBeUndefined();
    expect(read('{"a":1,"b":"\ufffd"}')).toEqual({ a: 1, b: "\ufffd" });
  });

  it("has at most as many bytes as its limit", () => {
    expect(read('{"a":1}', 7)).toEqual({ a: 1 });
    expect(read('{"a":1}', 6)).toBeUndefined();
    expect(read('{"a":1,"b":"é"}', 15)).toBeUndefined();
  });

  it("is read the same at any offset of a larger buffer", () => {
    const larger = Buffer.from('xx{"a":1}yy');
    expect(read(larger.subarray(2, 9))).toEqual({ a: 1 });
    expect(read(new Uint8Array(larger).subarray(2, 9))).toEqual({ a: 1 });
  });
});

test("a text is the canonical one of its value", () => {
  expect(readCanonical('{"a":1,"b":"x"}', Shape)).toEqual({ a: 1, b: "x" });
});
