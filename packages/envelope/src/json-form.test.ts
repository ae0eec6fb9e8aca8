import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { craft, session } from "../test/craft.ts";
import { newOpener, openOne } from "../test/fixtures.ts";
import { fromJsonForm, type JsonEnvelope, toJsonForm } from "./json-form.ts";
import { ENVELOPE_HEADER_BYTES_MAX, splitEnvelope } from "./wire.ts";

const SESSION = session("request");
const BODY = Buffer.from("\u00e9 body");
const ENVELOPE = craft(SESSION, { body: BODY });
const FORM = toJsonForm(ENVELOPE);
const BAD_REQUEST = expect.objectContaining({ code: "BAD_REQUEST" });

test("an envelope that went through its JSON form, as text, is the same bytes", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      (body, counter) => {
        const envelope = craft(SESSION, { body, counter });
        expect(fromJsonForm(JSON.parse(JSON.stringify(toJsonForm(envelope))))).toEqual(envelope);
      },
    ),
    { numRuns: 100 },
  );
});

test("the JSON form holds the header's very text, and the rest in base64url", async () => {
  const parts = splitEnvelope(ENVELOPE);
  expect(FORM).toEqual({
    header: parts?.headerText,
    ciphertext: Buffer.from(parts?.ciphertext ?? []).toString("base64url"),
    tag: ENVELOPE.subarray(-16).toString("base64url"),
  });
  expect(await openOne(newOpener(), fromJsonForm(FORM))).toMatchObject({ ok: true, body: BODY });
});

test("an empty body is an empty ciphertext", () => {
  const form = toJsonForm(craft(SESSION, { body: Buffer.alloc(0) }));
  expect(form.ciphertext).toBe("");
  expect(splitEnvelope(fromJsonForm(form))?.ciphertext).toHaveLength(0);
});

describe("a JSON form is refused", () => {
  const sized = (bytes: number): string => "x".repeat(bytes);
  test.each<[string, unknown]>([
    ["that is nothing", undefined],
    ["that is null", null],
    ["that is a text", JSON.stringify(FORM)],
    ["that is an array", [FORM.header, FORM.ciphertext, FORM.tag]],
    ["without a header", { ciphertext: FORM.ciphertext, tag: FORM.tag }],
    ["with a member too many", { ...FORM, v: 1 }],
    ["whose members are inherited", Object.create(FORM)],
    ["with a misnamed member", { header: FORM.header, ciphertext: FORM.ciphertext, Tag: FORM.tag }],
    ["with a header in parts", { ...FORM, header: JSON.parse(FORM.header) }],
    ["with a header that is no ASCII", { ...FORM, header: FORM.header.replace("chat", "ch\u00e4t") }],
    ["with a header that holds a line's end", { ...FORM, header: `${FORM.header}\n` }],
    ["with a header over the limit", { ...FORM, header: sized(ENVELOPE_HEADER_BYTES_MAX + 1) }],
    ["with a padded ciphertext", { ...FORM, ciphertext: "YQ==" }],
    ["with loose bits in the ciphertext", { ...FORM, ciphertext: "YR" }],
    ["with a ciphertext of base64", { ...FORM, ciphertext: "+/8A" }],
    ["with a ciphertext that is a number", { ...FORM, ciphertext: 1 }],
    ["with a tag of 15 bytes", { ...FORM, tag: Buffer.alloc(15).toString("base64url") }],
    ["with a tag of 17 bytes", { ...FORM, tag: Buffer.alloc(17).toString("base64url") }],
    ["with no tag", { ...FORM, tag: "" }],
    ["with loose bits in the tag", { ...FORM, tag: `${FORM.tag.slice(0, -1)}B` }],
  ])("%s", (_, value) => {
    expect(() => fromJsonForm(value)).toThrow(BAD_REQUEST);
  });

  test("never for its header's meaning: that is the opener's to judge", () => {
    const odd: JsonEnvelope = { ...FORM, header: sized(ENVELOPE_HEADER_BYTES_MAX) };
    expect(toJsonForm(fromJsonForm(odd))).toEqual(odd);
  });
});

describe("bytes have no JSON form", () => {
  test.each([
    ["when they are too few", Buffer.alloc(19)],
    ["when the header is longer than they are", Buffer.alloc(30, 0xff)],
    [
      "when the header is no ASCII",
      craft(SESSION, { write: (text) => Buffer.from(`${text}\u00e9`, "latin1") }),
    ],
    ["when the header holds a line's end", craft(SESSION, { write: (text) => `${text}\n` })],
  ])("%s", (_, bytes) => {
    expect(() => toJsonForm(bytes)).toThrow(BAD_REQUEST);
  });
});
