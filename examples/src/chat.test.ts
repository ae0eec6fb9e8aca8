import { describe, expect, test } from "vitest";
import { readChat, readChatAnswer } from "./chat.ts";

const JSON_TYPE = "application/json";
const user = (content: unknown) => ({ messages: [{ role: "user", content }] });
const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));
const nested = (levels: number): unknown => (levels === 0 ? 0 : [nested(levels - 1)]);

describe("a body is read as a chat", () => {
  test.each([
    ["text", user("Grüß Gott 👋")],
    [
      "parts of all kinds",
      user([
        { type: "text", text: "" },
        { type: "data", data: null },
      ]),
    ],
    ["data that nests 64 levels deep", user([{ type: "data", data: nested(64) }])],
    ["limits", { ...user("hi"), max_tokens: 1, temperature: 2 }],
  ])("with %s, as it is", (_case, chat) => {
    expect(readChat(bytesOf(chat), "application/json; charset=utf-8")).toEqual(chat);
  });

  test("with a member __proto__ in its data, which stays data", () => {
    const body = Buffer.from(
      '{"messages":[{"role":"user","content":[{"type":"data","data":{"__proto__":{"a":1}}}]}]}',
    );
    expect(JSON.stringify(readChat(body, JSON_TYPE))).toContain('{"__proto__":{"a":1}}');
  });

  test("a bare picture becomes a request to describe it", () => {
    const { messages } = readChat(Buffer.from([1, 2, 3]), "image/png");
    expect(messages[0]?.content).toContainEqual({ type: "image", media_type: "image/png", data: "AQID" });
  });
});

describe("a body that is not a chat is BAD_REQUEST, with a message that quotes nothing of it", () => {
  const secret = "hunter2-unspeakable";
  test.each([
    ["not JSON", Buffer.from(`{"messages": ${secret}`), JSON_TYPE, /not JSON in UTF-8/],
    ["not UTF-8", Buffer.from([0xff, 0xfe, ...Buffer.from(secret)]), JSON_TYPE, /not JSON in UTF-8/],
    ["empty", Buffer.alloc(0), JSON_TYPE, /not JSON in UTF-8/],
    ["another media type", Buffer.from(secret), "text/plain", /application\/json or a picture/],
    ["an extra member", bytesOf({ ...user(secret), [secret]: 1 }), JSON_TYPE, /the whole: unrecognized_keys/],
    ["no messages", bytesOf({ messages: [] }), JSON_TYPE, /messages: too_small/],
    ["an unknown role", bytesOf({ messages: [{ role: secret, content: "" }] }), JSON_TYPE, /0\.role/],
    ["an unknown part", bytesOf(user([{ type: secret }])), JSON_TYPE, /0\.content/],
    ["a part without its data", bytesOf(user([{ type: "data" }])), JSON_TYPE, /0\.content/],
    ["data too deep", bytesOf(user([{ type: "data", data: nested(65) }])), JSON_TYPE, /0\.content/],
    [
      "a picture that is not base64",
      bytesOf(user([{ type: "image", media_type: "image/png", data: "!" }])),
      JSON_TYPE,
      /0\.content/,
    ],
    ["no tokens", bytesOf({ ...user(secret), max_tokens: 0 }), JSON_TYPE, /max_tokens: too_small/],
  ])("%s", (_case, body, contentType, words) => {
    let error: unknown;
    try {
      readChat(body, contentType);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: "BAD_REQUEST", message: expect.stringMatching(words) });
    expect(`${String(error)} ${String((error as Error).cause)}`).not.toContain(secret);
  });

  test("a hundred thousand open brackets, without a stack overflow", () => {
    const depth = 100_000;
    const data = "[".repeat(depth) + "]".repeat(depth);
    const body = Buffer.from(`{"messages":[{"role":"user","content":[{"type":"data","data":${data}}]}]}`);
    expect(() => readChat(body, JSON_TYPE)).toThrow(/content/);
  });
});

test.each([
  ["another media type", "text/html", {}],
  ["a member missing", JSON_TYPE, { provider: "openai", model: "m", text: "hi" }],
])("an answer with %s is refused", (_case, contentType, value) => {
  expect(() => readChatAnswer(bytesOf(value), contentType)).toThrow(/the answer/);
});
