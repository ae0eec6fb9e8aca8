import { readFileSync } from "node:fs";
import { PROVIDERS } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import { type Chat, readChat } from "../chat.ts";
import { decodeRequests } from "./decode-requests.ts";
import { makeRequests } from "./make-requests.ts";

const file = readFileSync(new URL("../../requests.jsonl", import.meta.url));
const requests = decodeRequests(file);
const chats = requests.filter(({ contentType }) => contentType === "application/json");
const texts = chats.map(({ body }) => Buffer.from(body).toString("utf8"));

test("examples/requests.jsonl is what its generator makes", () => {
  expect(file.equals(Buffer.from(makeRequests()))).toBe(true);
});

describe("the requests of the examples", () => {
  test("are at least 24, over all six providers, and each of these gets small and large ones", () => {
    expect(requests.length).toBeGreaterThanOrEqual(24);
    for (const provider of PROVIDERS) {
      const sizes = requests
        .filter((request) => request.provider === provider)
        .map(({ body }) => body.length);
      expect(sizes.length, provider).toBeGreaterThanOrEqual(4);
      expect(Math.min(...sizes), provider).toBeLessThan(2048);
      expect(Math.max(...sizes), provider).toBeGreaterThan(32_768);
    }
  });

  test("have bodies from 200 bytes to 256 KiB, both ends included", () => {
    const sizes = requests.map(({ body }) => body.length);
    expect([Math.min(...sizes), Math.max(...sizes)]).toEqual([200, 262_144]);
  });

  test("are all chats", () => {
    for (const { body, contentType } of requests) expect(() => readChat(body, contentType)).not.toThrow();
  });

  test("have no two equal bodies", () => {
    expect(new Set(requests.map(({ body }) => Buffer.from(body).toString("base64"))).size).toBe(
      requests.length,
    );
  });

  test.each([
    ["Latin beyond ASCII", /ß/],
    ["Greek", /\p{Script=Greek}/u],
    ["Cyrillic", /\p{Script=Cyrillic}/u],
    ["Hebrew", /\p{Script=Hebrew}/u],
    ["Arabic", /\p{Script=Arabic}/u],
    ["Devanagari", /\p{Script=Devanagari}/u],
    ["Han", /\p{Script=Han}/u],
    ["Hangul", /\p{Script=Hangul}/u],
    ["Thai", /\p{Script=Thai}/u],
    ["emoji joined of several", /👨‍👩‍👧‍👦/u],
    ["combining marks that a normalization would take away", /e\u0301/u],
    ["characters beyond the basic plane", /𐐷/u],
  ])("hold %s", (_case, pattern) => {
    expect(texts.some((text) => pattern.test(text))).toBe(true);
  });

  test("hold something beyond ASCII in every body", () => {
    expect(texts.filter((text) => /^\p{ASCII}*$/u.test(text))).toEqual([]);
  });

  test("hold nested JSON as data parts", () => {
    const parts = texts.flatMap((text) =>
      (JSON.parse(text) as Chat).messages.flatMap(({ content }) =>
        typeof content === "string" ? [] : content,
      ),
    );
    const data = parts.flatMap((part) => (part.type === "data" ? [part.data] : []));
    expect(data.length).toBeGreaterThanOrEqual(12);
    expect(data).toContainEqual(
      expect.objectContaining({ readings: expect.arrayContaining([expect.objectContaining({ hour: 1 })]) }),
    );
  });

  test("hold one binary body: a PNG, which is not UTF-8", () => {
    const [picture, ...others] = requests.filter(({ contentType }) => contentType !== "application/json");
    expect(others).toEqual([]);
    expect(picture?.contentType).toBe("image/png");
    expect(Buffer.from(picture?.body ?? []).subarray(0, 8)).toEqual(
      Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    );
    expect(() => new TextDecoder("utf-8", { fatal: true }).decode(picture?.body)).toThrow();
  });
});

const line = (more: object = {}) =>
  JSON.stringify({ id: "a", provider: "openai", model: "m", intent: "chat", body: {}, ...more });
const decode = (text: string) => decodeRequests(Buffer.from(text));

describe("a file of requests", () => {
  test("may have empty lines and Windows line ends, and its bodies are unchanged JSON", () => {
    const text = `\r\n${line({ body: { b: 1, a: "é" } })}\r\n\n${line({ id: "b", body: null })}`;
    expect(decode(text).map(({ id, body }) => [id, Buffer.from(body).toString()])).toEqual([
      ["a", '{"b":1,"a":"é"}'],
      ["b", "null"],
    ]);
  });

  test.each([
    ["no JSON", `${line()}\n{"id":`, "line 2: is not JSON"],
    ["no object", "[]", "line 1: is not a JSON object"],
    ["no body", '\n{"id":"a","provider":"openai","model":"m","intent":"chat"}', "line 2: body: is missing"],
    ["an unknown member", line({ extra: 1 }), /^line 1: .*"extra"/],
    ["two bodies", line({ body_base64: "AA==", content_type: "image/png" }), /^line 1: .*"body"/],
    [
      "no base64",
      line({ body: undefined, body_base64: "!", content_type: "image/png" }),
      /^line 1: body_base64: /,
    ],
    ["bytes without a type", line({ body: undefined, body_base64: "AA==" }), /^line 1: content_type: /],
    ["a provider that is not a name", line({ provider: "Open AI" }), /^line 1: provider: /],
    ["an empty model", line({ model: "" }), /^line 1: model: /],
    ["an id twice", `${line()}\n\n${line()}`, "line 3: the id a is in line 1 already"],
    ["nothing", "\n", "the file holds no request"],
  ])("with %s is refused, and the line is named", (_case, text, message) => {
    expect(() => decode(text)).toThrow(
      expect.objectContaining({
        code: "BAD_REQUEST",
        message: typeof message === "string" ? message : expect.stringMatching(message),
      }),
    );
  });

  test("that is not UTF-8 is refused", () => {
    expect(() => decodeRequests(Buffer.from([0xff]))).toThrow(/not UTF-8/);
  });
});
