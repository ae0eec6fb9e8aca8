import { jcs } from "@scbe/contracts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { craft, session } from "../test/craft.ts";
import { newOpener, openOne } from "../test/fixtures.ts";
import { fromJsonForm, toJsonForm } from "./json-form.ts";
import { ENVELOPE_HEADER_BYTES_MAX, splitEnvelope } from "./wire.ts";

const SESSION = session("request");
const BODY = Buffer.from("\u00e9 body");
const ENVELOPE = craft(SESSION, { body: BODY });
const TEXT = toJsonForm(ENVELOPE);
const FORM = JSON.parse(TEXT) as Record<"header" | "ciphertext" | "tag", string>;
const BAD_REQUEST = expect.objectContaining({ code: "BAD_REQUEST" });

test("an envelope is unchanged by its JSON form and back", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      (body, counter) => {
        const envelope = craft(SESSION, { body, counter });
        const text = toJsonForm(envelope);
        expect(fromJsonForm(text)).toEqual(envelope);
        expect(fromJsonForm(Buffer.from(text))).toEqual(envelope);
      },
    ),
    { numRuns: 100 },
  );
});

test("the JSON form holds the exact header text, and the rest in base64url", async () => {
  const parts = splitEnvelope(ENVELOPE);
  expect(FORM).toEqual({
    header: parts?.headerText,
    ciphertext: Buffer.from(parts?.ciphertext ?? []).toString("base64url"),
    tag: ENVELOPE.subarray(-16).toString("base64url"),
  });
  expect(TEXT).toBe(jcs(FORM));
  expect(await openOne(newOpener(), fromJsonForm(TEXT))).toMatchObject({ ok: true, body: BODY });
});

test("an empty body is an empty ciphertext", () => {
  const text = toJsonForm(craft(SESSION, { body: Buffer.alloc(0) }));
  expect(JSON.parse(text)).toMatchObject({ ciphertext: "" });
  expect(splitEnvelope(fromJsonForm(text))?.ciphertext).toHaveLength(0);
});

/** docs/spec/vectors/json-form.json has the other refusals. */
test("the JSON form does not check the members of a header", () => {
  const odd = jcs({ ...FORM, header: "x".repeat(ENVELOPE_HEADER_BYTES_MAX) });
  expect(toJsonForm(fromJsonForm(odd))).toBe(odd);
});

test("only the written text is read", () => {
  const change = fc.record({
    at: fc.nat(TEXT.length),
    by: fc.constantFrom(" ", "\n", "\\", '"', "=", "A", ""),
  });
  fc.assert(
    fc.property(change, ({ at, by }) => {
      const changed = TEXT.slice(0, at) + by + TEXT.slice(at + (by === "" ? 1 : 0));
      fc.pre(changed !== TEXT);
      try {
        expect(toJsonForm(fromJsonForm(changed))).toBe(changed);
      } catch (error) {
        expect(error).toEqual(BAD_REQUEST);
      }
    }),
    { numRuns: 500 },
  );
});

describe("bytes have no JSON form", () => {
  test.each([
    ["when they are too few", Buffer.alloc(19)],
    ["when the header is longer than they are", Buffer.alloc(30, 0xff)],
    [
      "if the header is not ASCII",
      craft(SESSION, { write: (text) => Buffer.from(`${text}\u00e9`, "latin1") }),
    ],
    ["when the header holds a line's end", craft(SESSION, { write: (text) => `${text}\n` })],
  ])("%s", (_, bytes) => {
    expect(() => toJsonForm(bytes)).toThrow(BAD_REQUEST);
  });
});
