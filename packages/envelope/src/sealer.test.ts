import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CONTEXT, craft, MODEL, NOW_MS, REQUEST_ID, session, text, WINDOW_SECONDS } from "../test/craft.ts";
import { newOpener, newSealer, openAll, subkeysOf, TestClock, TestKeys } from "../test/fixtures.ts";
import { encrypt } from "./aes-gcm.ts";
import type { RequestHeader } from "./header/header.ts";
import { parseHeader } from "./header/parse.ts";
import { deriveCommitment, deriveSessionKeys } from "./keys.ts";
import type { RequestToSeal, ResponseToSeal, SealedRequest } from "./sealer.ts";
import { splitEnvelope, startEnvelope } from "./wire.ts";

const BODY = Buffer.from('{"messages":[]}');
const REQUEST: RequestToSeal = {
  provider: "openai",
  intent: "chat",
  model: MODEL,
  requestId: REQUEST_ID,
  body: BODY,
};
const ANSWERED = {
  header: { provider: "openai", intent: "chat", model: MODEL, request_id: REQUEST_ID },
  hash: Buffer.alloc(32, 7),
};
const RESPONSE: ResponseToSeal = { request: ANSWERED, body: BODY };
const WINDOW_MS = WINDOW_SECONDS * 1000;

const counterOf = ({ header }: { header: { nonce: string } }): number =>
  Buffer.from(header.nonce, "base64url").readUInt32BE(8);
const sessionOf = ({ header }: { header: { session_id: string } }): string => header.session_id;
const prefixOf = ({ header }: { header: { nonce: string } }): string =>
  Buffer.from(header.nonce, "base64url").toString("hex", 0, 8);

describe("a sealed request", () => {
  test("has the returned header, and opens", async () => {
    const { sealer } = newSealer();
    const sealed = sealer.sealRequest(REQUEST);
    expect(parseHeader(splitEnvelope(sealed.bytes)?.headerText ?? "")).toEqual({
      ok: true,
      header: sealed.header,
    });
    expect(sealed.header).toMatchObject({
      ...CONTEXT,
      kid: "k1",
      phase: "request",
      request_id: REQUEST_ID,
      ts: NOW_MS,
      ttl: WINDOW_SECONDS,
      content_type: "application/json",
      schema_hash: "none",
    });
    const [opened] = await openAll(newOpener(), [sealed.bytes]);
    expect(opened).toEqual({ ok: true, header: sealed.header, body: BODY, hash: sealed.hash });
  });

  test("has the hash of its bytes", () => {
    const { bytes, hash } = newSealer().sealer.sealRequest(REQUEST);
    expect(Buffer.from(hash)).toEqual(createHash("sha256").update(bytes).digest());
  });

  test("carries the given content type, schema and ttl", () => {
    const given = { contentType: "image/png", schemaHash: `sha256:${"0a".repeat(32)}`, ttlSeconds: 7 };
    const { header } = newSealer().sealer.sealRequest({ ...REQUEST, ...given });
    expect(header).toMatchObject({ content_type: "image/png", schema_hash: given.schemaHash, ttl: 7 });
  });

  test("begins its session's id with the minute of the session's start", () => {
    const { header } = newSealer().sealer.sealRequest(REQUEST);
    expect(Buffer.from(header.session_id, "base64url").readUInt32BE(0)).toBe(Math.floor(NOW_MS / 60_000));
  });
});

test("the sealer writes, byte for byte, the result of the specification's formulas", () => {
  const of = session("request");
  const { key, prefix } = deriveSessionKeys(subkeysOf(), "request", of.sessionId);
  expect(Buffer.from(prefix)).toEqual(of.prefix);
  expect(deriveCommitment(subkeysOf(), "request", of.sessionId)).toEqual(of.commitment);
  let legal = "";
  const crafted = craft(of, { body: BODY, write: (written) => (legal = written) });
  const started = startEnvelope(legal, BODY.length);
  encrypt(key, Buffer.concat([prefix, Uint8Array.of(0, 0, 0, 1)]), BODY, started);
  expect(started.bytes).toEqual(crafted);
});

describe("a nonce", () => {
  test("is the session's prefix and a counter from 1", () => {
    const { sealer } = newSealer();
    const sealed = Array.from({ length: 300 }, () => sealer.sealRequest(REQUEST));
    expect(sealed.map(counterOf)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
    expect(new Set(sealed.map(sessionOf)).size).toBe(1);
    const sessionId = Buffer.from(sealed[0]?.header.session_id ?? "", "base64url");
    const { prefix } = deriveSessionKeys(subkeysOf(), "request", sessionId);
    expect(new Set(sealed.map(prefixOf))).toEqual(new Set([Buffer.from(prefix).toString("hex")]));
  });

  test("in the header is the one that the body is sealed with", async () => {
    const { sealer } = newSealer();
    const sealed = Array.from({ length: 50 }, () => sealer.sealRequest(REQUEST));
    const openings = await openAll(
      newOpener(),
      sealed.map(({ bytes }) => bytes),
    );
    expect(openings.every(({ ok }) => ok)).toBe(true);
  });

  test("of the replay guard is never repeated", () => {
    const { sealer } = newSealer();
    const nonces = Array.from({ length: 1000 }, () => sealer.sealRequest(REQUEST).header.replay_nonce);
    expect(new Set(nonces).size).toBe(1000);
    // Wiped bytes of a pool would be zeros.
    expect(nonces.filter((nonce) => /AAAAAAAA/.test(nonce))).toEqual([]);
  });

  test.each<[string, Partial<RequestToSeal>]>([
    ["provider that has no key", { provider: "anthropic" }],
    ["intent that has no key", { intent: "embed" }],
  ])("is not used for a %s", (_, change) => {
    const { sealer } = newSealer();
    expect(() => sealer.sealRequest({ ...REQUEST, ...change })).toThrow(
      expect.objectContaining({ code: "NO_KEYS" }),
    );
  });
});

const BAD_CONTENT: readonly (readonly [string, Partial<RequestToSeal & ResponseToSeal>])[] = [
  ["a body that is a text", { body: "hello" as unknown as Uint8Array }],
  ["a body of wider words", { body: new Uint16Array(4) as unknown as Uint8Array }],
  ["an empty content type", { contentType: "" }],
  ["a content type with a quote", { contentType: 'a"b' }],
  ["a content type with a line's end", { contentType: "a\nb" }],
  ["a content type of 129 characters", { contentType: "t".repeat(129) }],
  ["a content type that is not ASCII", { contentType: "text/pl\u00e4in" }],
  ["a schema hash of another hash", { schemaHash: `md5:${"0".repeat(32)}` }],
  ["an empty schema hash", { schemaHash: "" }],
  ["a ttl of 0", { ttlSeconds: 0 }],
  ["a negative ttl", { ttlSeconds: -1 }],
  ["a ttl that is not an integer", { ttlSeconds: 1.5 }],
  ["a ttl that is not a number", { ttlSeconds: Number.NaN }],
  ["a ttl over the window", { ttlSeconds: WINDOW_SECONDS + 1 }],
  ["an infinite ttl", { ttlSeconds: Number.POSITIVE_INFINITY }],
];

describe("a request is refused as such, and uses no nonce, with", () => {
  test.each<readonly [string, Partial<RequestToSeal>]>([
    ...BAD_CONTENT,
    ["an empty model", { model: "" }],
    ["a model with a space", { model: "gpt 5" }],
    ["a model of 129 characters", { model: "m".repeat(129) }],
    ["an id in upper case", { requestId: REQUEST_ID.toUpperCase() }],
    ["an empty id", { requestId: "" }],
  ])("%s", (_, change) => {
    const { sealer } = newSealer();
    const first = sealer.sealRequest(REQUEST);
    expect(() => sealer.sealRequest({ ...REQUEST, ...change })).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    );
    const next = sealer.sealRequest(REQUEST);
    expect([sessionOf(next), counterOf(next)]).toEqual([sessionOf(first), 2]);
  });

  test("a message that names the member, and not its value", () => {
    const { sealer } = newSealer();
    const secret = "a secret that was put in the wrong place";
    expect(() => sealer.sealRequest({ ...REQUEST, model: secret })).toThrow(/model/);
    expect(() => sealer.sealRequest({ ...REQUEST, model: secret })).not.toThrow(secret);
  });
});

test("a model and content type are never confused with another request's, joined by any character", () => {
  for (let code = 0x20; code < 0x7f; code += 1) {
    const joint = String.fromCharCode(code);
    if (joint === '"' || joint === "\\") continue;
    const { sealer } = newSealer();
    sealer.sealRequest({ ...REQUEST, contentType: ["a", WINDOW_SECONDS, "none", "b"].join(joint) });
    const model = [MODEL, WINDOW_SECONDS, "none", "a"].join(joint);
    const seal = () => sealer.sealRequest({ ...REQUEST, model, contentType: "b" });
    if (/[^A-Za-z0-9._:/@+-]/.test(joint))
      expect(seal).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
    else expect(seal().header).toMatchObject({ model, content_type: "b" });
  }
});

describe("a response is refused as such, and uses no nonce, with", () => {
  const header = ANSWERED.header;
  test.each<readonly [string, Partial<ResponseToSeal>]>([
    ...BAD_CONTENT,
    ["a hash of 31 bytes", { request: { header, hash: Buffer.alloc(31) } }],
    ["no hash", { request: { header, hash: Buffer.alloc(0) } }],
    ["an illegal model", { request: { ...ANSWERED, header: { ...header, model: "" } } }],
    ["an illegal id", { request: { ...ANSWERED, header: { ...header, request_id: "1" } } }],
    ["a negative seq", { stream: { seq: -1, final: 0 } }],
    ["a seq of 2^31", { stream: { seq: 2 ** 31, final: 0 } }],
    ["a final that is neither 0 nor 1", { stream: { seq: 0, final: 2 as 1 } }],
    ["a seq without a final", { stream: { seq: 0 } as { seq: number; final: 0 } }],
    ["a final without a seq", { stream: { final: 0 } as { seq: number; final: 0 } }],
  ])("%s", (_, change) => {
    const { sealer } = newSealer();
    const first = sealer.sealResponse(RESPONSE);
    expect(() => sealer.sealResponse({ ...RESPONSE, ...change })).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    );
    const next = sealer.sealResponse(RESPONSE);
    expect([sessionOf(next), counterOf(next)]).toEqual([sessionOf(first), 2]);
  });
});

test("members of a stream's chunk beside seq and final reach no header", () => {
  const stream = { seq: 0, final: 1, kid: "k9", ts: 1 } as { seq: number; final: 1 };
  expect(newSealer().sealer.sealResponse({ ...RESPONSE, stream }).header).toMatchObject({
    kid: "k1",
    ts: NOW_MS,
  });
});

test("whole responses and chunks of a stream share a session, and each has its own shape", () => {
  const { sealer } = newSealer();
  const sealed = [
    sealer.sealResponse(RESPONSE),
    sealer.sealResponse({ ...RESPONSE, stream: { seq: 0, final: 0 } }),
    sealer.sealResponse(RESPONSE),
    sealer.sealResponse({ ...RESPONSE, stream: { seq: 1, final: 1 } }),
  ];
  expect(sealed.map(({ header }) => [header.seq, header.final])).toEqual([
    [undefined, undefined],
    [0, 0],
    [undefined, undefined],
    [1, 1],
  ]);
  expect(new Set(sealed.map(sessionOf)).size).toBe(1);
  for (const { bytes, header } of sealed) {
    expect(splitEnvelope(bytes)?.headerText).toBe(text({ ...header }));
  }
});

describe("a session ends, without a failed request, and a fresh one begins", () => {
  test("at the counter limit", async () => {
    const { sealer } = newSealer({ counterLimit: 5 });
    const sealed = Array.from({ length: 23 }, () => sealer.sealRequest(REQUEST));
    expect(sealed.map(counterOf)).toEqual(Array.from({ length: 23 }, (_, index) => (index % 5) + 1));
    expect(new Set(sealed.map(sessionOf)).size).toBe(5);
    const openings = await openAll(
      newOpener(),
      sealed.map(({ bytes }) => bytes),
    );
    expect(openings.filter(({ ok }) => ok)).toHaveLength(23);
  });

  test("at the counter limit, if two seal at once", async () => {
    const { sealer } = newSealer({ counterLimit: 5 });
    for (let index = 0; index < 4; index += 1) sealer.sealRequest(REQUEST);
    const both = await Promise.all([1, 2].map(async () => sealer.sealRequest(REQUEST)));
    expect(both.map(counterOf)).toEqual([5, 1]);
    expect(new Set(both.map(sessionOf)).size).toBe(2);
  });

  test("at the counter limit of requests, and leaves the responses' session alone", () => {
    const { sealer } = newSealer({ counterLimit: 2 });
    const first = sealer.sealResponse(RESPONSE);
    for (let index = 0; index < 5; index += 1) sealer.sealRequest(REQUEST);
    const second = sealer.sealResponse(RESPONSE);
    expect([sessionOf(second), counterOf(second)]).toEqual([sessionOf(first), 2]);
  });

  test("at the byte budget", () => {
    const { sealer } = newSealer({ byteBudget: 10_000 });
    const sealed = Array.from({ length: 9 }, () =>
      sealer.sealRequest({ ...REQUEST, body: Buffer.alloc(3000) }),
    );
    expect(sealed.map(counterOf)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
  });

  test.each<[string, (clock: TestClock) => void]>([
    ["at the age of the window", (clock) => clock.pass(WINDOW_MS)],
    [
      "at the age of the window by the wall clock, which runs a little ahead",
      (clock) => {
        clock.nowMs += WINDOW_MS;
        clock.monotonicMs += WINDOW_MS - 1000;
      },
    ],
    [
      "at the age of the window by the monotonic clock, which runs a little ahead",
      (clock) => {
        clock.nowMs += WINDOW_MS - 1000;
        clock.monotonicMs += WINDOW_MS;
      },
    ],
    ["when the wall clock was set ahead", (clock) => (clock.nowMs += 1001)],
    ["when the wall clock was set back", (clock) => (clock.nowMs -= 1001)],
    ["when the machine slept, which only the wall clock saw", (clock) => (clock.nowMs += 60_000)],
  ])("%s", (_, change) => {
    const { sealer, clock } = newSealer();
    const before = sealer.sealRequest(REQUEST);
    change(clock);
    const after = sealer.sealRequest(REQUEST);
    expect(sessionOf(after)).not.toBe(sessionOf(before));
    expect(counterOf(after)).toBe(1);
    expect(Buffer.from(sessionOf(after), "base64url").readUInt32BE(0)).toBe(Math.floor(clock.nowMs / 60_000));
  });

  test("for a new epoch", () => {
    const epochs = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];
    let current = 0;
    const { sealer } = newSealer({ epoch: () => epochs[current] });
    const before = sealer.sealRequest(REQUEST);
    current = 1;
    const after = sealer.sealRequest(REQUEST);
    expect(sessionOf(after)).not.toBe(sessionOf(before));
    expect([before, after].map(({ header }) => Buffer.from(header.epoch, "base64url"))).toEqual(epochs);
  });

  test("for a new epoch, which does not affect responses", () => {
    let epoch = Buffer.alloc(16, 1);
    const { sealer } = newSealer({ epoch: () => epoch });
    const before = sealer.sealResponse(RESPONSE);
    epoch = Buffer.alloc(16, 2);
    expect(sessionOf(sealer.sealResponse(RESPONSE))).toBe(sessionOf(before));
    expect(before.header).not.toHaveProperty("epoch");
  });

  test("for a new active key", async () => {
    const keys = new TestKeys(subkeysOf());
    const { sealer } = newSealer({ keys });
    const before = sealer.sealRequest(REQUEST);
    keys.held = [subkeysOf({ kid: "k2", ikm: Buffer.alloc(32, 8) }), ...keys.held];
    const after = sealer.sealRequest(REQUEST);
    expect([before, after].map(({ header }) => header.kid)).toEqual(["k1", "k2"]);
    expect(sessionOf(after)).not.toBe(sessionOf(before));
    const openings = await openAll(newOpener({ keys }), [before.bytes, after.bytes]);
    expect(openings.map(({ ok }) => ok)).toEqual([true, true]);
  });

  test("after its key was withdrawn, though the same key is granted again", () => {
    const keys = new TestKeys(subkeysOf());
    const { sealer } = newSealer({ keys });
    const before = sealer.sealRequest(REQUEST);
    keys.held = [];
    expect(() => sealer.sealRequest(REQUEST)).toThrow(expect.objectContaining({ code: "NO_KEYS" }));
    expect(() => sealer.sealResponse(RESPONSE)).toThrow(expect.objectContaining({ code: "NO_KEYS" }));
    keys.held = [subkeysOf()];
    const after = sealer.sealRequest(REQUEST);
    expect([sessionOf(after) === sessionOf(before), counterOf(after)]).toEqual([false, 1]);
  });
});

describe("a session continues", () => {
  test.each<[string, (clock: TestClock) => void]>([
    ["until one ms before the window's age", (clock) => clock.pass(WINDOW_MS - 1)],
    ["while the clocks part by no more than 1 s", (clock) => (clock.nowMs += 1000)],
    ["while the wall clock falls behind by no more than 1 s", (clock) => (clock.nowMs -= 1000)],
  ])("%s", async (_, change) => {
    const { sealer, clock } = newSealer();
    const before = sealer.sealRequest(REQUEST);
    change(clock);
    const after = sealer.sealRequest(REQUEST);
    expect([sessionOf(after), counterOf(after)]).toEqual([sessionOf(before), 2]);
    const [opened] = await openAll(newOpener({ clock }), [after.bytes]);
    expect(opened).toMatchObject({ ok: true });
  });

  test("within the minute that an opener allows, from the first ms of a minute to its last ms of life", async () => {
    const clock = new TestClock();
    clock.nowMs = Math.ceil(NOW_MS / 60_000) * 60_000;
    const { sealer } = newSealer({ clock });
    sealer.sealRequest(REQUEST);
    clock.nowMs -= 1000;
    const early = sealer.sealRequest(REQUEST);
    clock.nowMs += 1000;
    clock.pass(WINDOW_MS - 1);
    const late = sealer.sealRequest(REQUEST);
    expect([early, late].map(counterOf)).toEqual([2, 3]);
    const openings = await openAll(newOpener({ clock }), [early.bytes, late.bytes]);
    expect(openings.map(({ ok }) => ok)).toEqual([true, true]);
  });
});

test("without an epoch no request is sealed, but responses are", () => {
  const { sealer } = newSealer({ epoch: () => undefined });
  expect(() => sealer.sealRequest(REQUEST)).toThrow(expect.objectContaining({ code: "NO_EPOCH" }));
  expect(sealer.sealResponse(RESPONSE).header.phase).toBe("response");
});

test("each phase, provider and intent has a session of its own", () => {
  const contexts = ["openai", "anthropic"].flatMap((provider) =>
    ["chat", "embed"].map((intent) => ({ env: "dev", provider, intent })),
  );
  const { sealer } = newSealer({ keys: new TestKeys(...contexts.map((context) => subkeysOf({ context }))) });
  const sealed = contexts.flatMap(({ provider, intent }) => [
    sealer.sealRequest({ ...REQUEST, provider, intent }),
    sealer.sealResponse({
      ...RESPONSE,
      request: { ...ANSWERED, header: { ...ANSWERED.header, provider, intent } },
    }),
  ]);
  expect(new Set(sealed.map(sessionOf)).size).toBe(8);
  expect(sealed.map(counterOf)).toEqual(Array.from({ length: 8 }, () => 1));
});

test("more kinds of requests than a session remembers are all sealed correctly", async () => {
  const { sealer } = newSealer();
  const models = Array.from({ length: 200 }, (_, index) => `m${index % 100}`);
  const sealed: SealedRequest[] = models.map((model) => sealer.sealRequest({ ...REQUEST, model }));
  expect(sealed.map(({ header }) => header.model)).toEqual(models);
  const openings = await openAll(
    newOpener(),
    sealed.map(({ bytes }) => bytes),
  );
  expect(openings.map((opening) => opening.ok && opening.header)).toEqual(
    sealed.map(({ header }): RequestHeader => header),
  );
});
