import { describe, expect, test } from "vitest";
import { ENVELOPE_HEADER_BYTES_MAX, REFUSALS, type Refusal } from "../src/index.ts";
import {
  CONTEXT,
  type CraftedSession,
  craft,
  type Making,
  type Members,
  MINUTE,
  NOW_MS,
  nonce,
  SKEW_SECONDS,
  session,
  WINDOW_SECONDS,
} from "./craft.ts";
import { newOpener, type OpenerOptions, openOne } from "./fixtures.ts";

/** One session for all cases, so that only the named difference is wrong. */
const SESSION = session("request");
const SKEW_MS = SKEW_SECONDS * 1000;

/** Each case is sealed under the right key: its tag is right, so only its header can be the reason of the refusal. */
async function expectRefusal(
  envelope: Uint8Array,
  reason: Refusal,
  step: number,
  options: OpenerOptions = {},
) {
  const parts = newOpener(options);
  const opening = await openOne(parts, envelope);
  expect(opening.ok).toBe(false);
  expect(Object.keys(opening)).toEqual(["ok", "noise"]);
  expect(parts.observed.reasons).toEqual([reason]);
  expect(REFUSALS[reason]).toBe(step);
  expect(parts.guard.asked).toHaveLength(0);
}

async function expectOpened(envelope: Uint8Array, options: OpenerOptions = {}) {
  const parts = newOpener(options);
  expect(await openOne(parts, envelope)).toMatchObject({ ok: true });
  expect(parts.observed.reasons).toEqual([]);
}

test("a crafted envelope is opened, so each case below is refused for its named reason", async () => {
  await expectOpened(craft(SESSION));
});

test("an empty body is opened as an empty body", async () => {
  const opening = await openOne(newOpener(), craft(SESSION, { body: Buffer.alloc(0) }));
  expect(opening).toMatchObject({ ok: true, body: Buffer.alloc(0) });
});

describe("step 1 refuses as malformed", () => {
  const whole = craft(SESSION);
  const headerBytes = whole.readUInt32BE(0);
  const withLength = (length: number): Buffer => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt32BE(length);
    return bytes;
  };
  test.each([
    ["nothing", Buffer.alloc(0)],
    ["less than a length and a tag", Buffer.alloc(19)],
    ["only a length and a tag, with a header of no bytes", Buffer.alloc(20)],
    ["a header of length 0 before the rest", withLength(0)],
    ["a header that reaches into the tag", withLength(whole.length - 4 - 15)],
    ["a header that ends with the message", withLength(whole.length - 4)],
    ["a whole header and 15 bytes behind it", whole.subarray(0, 4 + headerBytes + 15)],
    ["a header that is longer than the message", withLength(whole.length - 3)],
    ["a header length of 2^32 - 1", withLength(2 ** 32 - 1)],
    ["a header length that is negative where it is read as signed", withLength(2 ** 31 + headerBytes)],
    ["a header over 4096 bytes", craft(SESSION, { write: padded(ENVELOPE_HEADER_BYTES_MAX + 1) })],
    ["a header that is not JSON", craft(SESSION, { write: (text) => text.slice(1) })],
    ["a header that ends early", craft(SESSION, { write: (text) => text.slice(0, -1) })],
    ["something behind the header's object", craft(SESSION, { write: (text) => `${text}{}` })],
    ["a header in an array", craft(SESSION, { write: (text) => `[${text}]` })],
    ["a header that is a string", craft(SESSION, { write: (text) => JSON.stringify(text) })],
    ["a header that is null", craft(SESSION, { write: () => "null" })],
    ["a header with a raw control character", craft(SESSION, { write: edit('"chat"', '"ch\u0001t"') })],
    ["a header with a byte order mark", craft(SESSION, { write: (text) => `\ufeff${text}` })],
  ])("%s", async (_, envelope) => {
    await expectRefusal(envelope, "malformed", 1);
  });

  test("no header of exactly 4096 bytes for its length", async () => {
    await expectRefusal(craft(SESSION, { write: padded(ENVELOPE_HEADER_BYTES_MAX) }), "members", 2);
  });
});

/** A canonical header of that many bytes, with an illegal member. */
function padded(bytes: number): (text: string) => string {
  return (text) => {
    const start = text.slice(0, -1);
    return `${start},"z":"${"z".repeat(bytes - start.length - 8)}"}`;
  };
}

/** Replaces a text that occurs exactly once. */
function edit(from: string, to: string): (text: string) => string {
  return (text) => {
    if (text.split(from).length !== 2) throw new Error(`${from} does not occur exactly once in the header`);
    return text.replace(from, () => to);
  };
}

describe("step 2 refuses as not canonical", () => {
  test.each<[string, (text: string) => string | Uint8Array]>([
    ["a repeated member with equal values", edit('"v":1', '"v":1,"v":1')],
    ["a repeated member, the legal one last", edit('"intent":', '"intent":"admin","intent":')],
    ["a repeated member, the legal one first", edit('"intent":"chat"', '"intent":"chat","intent":"admin"')],
    ["a space behind a comma", edit(',"env"', ', "env"')],
    ["a space before the object", (text) => ` ${text}`],
    ["a line's end behind the object", (text) => `${text}\n`],
    ["two members in the wrong order", reversed],
    ["1.0 for 1", edit('"v":1', '"v":1.0')],
    ["1e0 for 1", edit('"v":1', '"v":1e0')],
    ["-0 for a number", edit('"ttl":300', '"ttl":-0')],
    ["a float in exponential form", edit('"ttl":300', '"ttl":3e2')],
    ["1e400, which reads as infinity", edit('"ttl":300', '"ttl":1e400')],
    ["-1e400", edit('"ttl":300', '"ttl":-1e400')],
    ["a lone surrogate", edit('"chat"', '"\\ud800"')],
    ["a lone low surrogate in a member's name", edit('"intent"', '"\\udc00"')],
    ["an escape that needs none", edit('"chat"', '"c\\u0068at"')],
    ["an escaped slash", edit('"application/json"', '"application\\/json"')],
    ["an escaped name of a member", edit('"intent"', '"\\u0069ntent"')],
    ["a prototype by an escaped name", edit('"v":1', '"v":1,"\\u005f_proto__":{"v":1}')],
  ])("%s", async (_, write) => {
    await expectRefusal(craft(SESSION, { write }), "not_canonical", 2);
  });
});

function reversed(text: string): string {
  const parts = text.slice(1, -1).split(",");
  return `{${[parts[1], parts[0], ...parts.slice(2)].join(",")}}`;
}

describe("step 2 refuses as another version", () => {
  test.each<[string, Members]>([
    ["version 2", { v: 2 }],
    ["version 0", { v: 0 }],
    ["a version in quotes", { v: "1" }],
    ["no version", { v: undefined }],
    ["another suite", { suite: "A128GCM-HKDF-SHA256-COMMIT32" }],
    ["a suite without the commitment", { suite: "A256GCM-HKDF-SHA256" }],
    ["no suite", { suite: undefined }],
    ["a suite in a list", { suite: ["A256GCM-HKDF-SHA256-COMMIT32"] }],
  ])("%s", async (_, header) => {
    await expectRefusal(craft(SESSION, { header }), "version", 2);
  });
});

const B64_12 = nonce(SESSION, 1).toString("base64url");

describe("step 2 refuses a member", () => {
  test.each<[string, Members]>([
    ["that is unknown", { extra: 1 }],
    ["named __proto__", Object.fromEntries([["__proto__", { v: 1 }]])],
    ["named constructor", { constructor: 1 }],
    ["named toJSON", { toJSON: "x" }],
    ["of a response in a request", { in_reply_to: Buffer.alloc(32).toString("base64url") }],
    ["of a stream in a request", { seq: 0, final: 1 }],
    ["seq alone in a request", { seq: 0 }],
    ["with a byte that is not ASCII", { content_type: "text/pl\u00e4in" }],
    ["whose name is not ASCII", { "\u00e4": 1 }],
  ])("%s", async (_, header) => {
    await expectRefusal(craft(SESSION, { header, write: latin1 }), "members", 2);
  });

  test.each([...Object.keys(legalMembers()).filter((name) => name !== "v" && name !== "suite")])(
    "that is missing: %s",
    async (name) => {
      await expectRefusal(craft(SESSION, { header: { [name]: undefined } }), "members", 2);
    },
  );

  test.each(
    Object.keys(legalMembers())
      .filter((name) => name !== "v" && name !== "suite")
      .flatMap((name) =>
        [null, true, {}, [legalMembers()[name]], 1.5, -1, ""].map((value) => ({ name, value })),
      ),
  )("of another type or form: $name is $value", async ({ name, value }) => {
    await expectRefusal(craft(SESSION, { header: { [name]: value } }), "members", 2);
  });

  test.each<[string, Members]>([
    ["env: unknown", { env: "test" }],
    ["env: upper case", { env: "DEV" }],
    ["kid: 65 characters", { kid: "k".repeat(65) }],
    ["kid: begins with a dash", { kid: "-k" }],
    ["provider: upper case", { provider: "OpenAI" }],
    ["provider: a dot, which would be another subject", { provider: "openai.x" }],
    ["intent: a space", { intent: "chat " }],
    ["intent: a wildcard", { intent: "*" }],
    ["intent: a line's end behind it", { intent: "chat\n" }],
    ["model: 129 characters", { model: "m".repeat(129) }],
    ["model: a space", { model: "gpt 5" }],
    ["phase: unknown", { phase: "reply" }],
    ["request_id: upper case", { request_id: "0F8FAD5B-D9CB-469F-A165-70867728950E" }],
    ["request_id: without dashes", { request_id: "0f8fad5bd9cb469fa16570867728950e" }],
    ["ts: in quotes", { ts: String(NOW_MS) }],
    ["ts: a float", { ts: NOW_MS + 0.5 }],
    ["ts: below 10^12", { ts: 10 ** 12 - 1 }],
    ["ts: 10^13", { ts: 10 ** 13 }],
    ["ttl: 0", { ttl: 0 }],
    ["ttl: a float", { ttl: 299.5 }],
    ["ttl: over an hour", { ttl: 3601 }],
    ["content_type: 129 characters", { content_type: "t".repeat(129) }],
    ["content_type: a quote, which JSON must escape", { content_type: 'a"b' }],
    ["content_type: a backslash", { content_type: "a\\b" }],
    ["content_type: a delete character", { content_type: "a\u007fb" }],
    ["schema_hash: another hash", { schema_hash: `sha512:${"0".repeat(64)}` }],
    ["schema_hash: upper case", { schema_hash: `sha256:${"A".repeat(64)}` }],
    ["schema_hash: 63 digits", { schema_hash: `sha256:${"0".repeat(63)}` }],
    ["epoch: 15 bytes", { epoch: Buffer.alloc(15).toString("base64url") }],
    ["epoch: 17 bytes", { epoch: Buffer.alloc(17).toString("base64url") }],
    ["epoch: loose bits", { epoch: `${"A".repeat(21)}B` }],
    ["session_id: 31 bytes", { session_id: Buffer.alloc(31).toString("base64url") }],
    ["session_id: loose bits", { session_id: loosened(SESSION.sessionId) }],
    ["session_id: padding", { session_id: `${SESSION.sessionId.toString("base64url")}=` }],
    ["commitment: loose bits", { commitment: loosened(SESSION.commitment) }],
    ["commitment: padding", { commitment: SESSION.commitment.toString("base64") }],
    ["nonce: 11 bytes", { nonce: Buffer.alloc(11).toString("base64url") }],
    ["nonce: 13 bytes", { nonce: Buffer.alloc(13).toString("base64url") }],
    ["nonce: a character of base64 in place of base64url's", { nonce: `${B64_12.slice(0, -1)}+` }],
    ["replay_nonce: 23 bytes", { replay_nonce: Buffer.alloc(23).toString("base64url") }],
    ["replay_nonce: padding", { replay_nonce: `${"A".repeat(31)}=` }],
  ])("of another form: %s", async (_, header) => {
    await expectRefusal(craft(SESSION, { header }), "members", 2);
  });
});

function latin1(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

function legalMembers(): Members {
  return JSON.parse(
    craft(SESSION)
      .subarray(4, craft(SESSION).length - 18)
      .toString("latin1"),
  ) as Members;
}

/** A text that Node decodes to the same bytes, but with unused bits set. */
function loosened(bytes: Buffer): string {
  const exact = bytes.toString("base64url");
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const loose = `${exact.slice(0, -1)}${alphabet[alphabet.indexOf(exact.slice(-1)) + 1]}`;
  expect(Buffer.from(loose, "base64url")).toEqual(bytes);
  return loose;
}

describe("step 3 refuses what is not served", () => {
  test.each<[string, Making, OpenerOptions?]>([
    ["an unknown provider", { header: { provider: "acme" } }],
    ["an unknown intent", { header: { intent: "train" } }],
    ["another environment", { header: { env: "prod" } }],
    ["a response", { header: { phase: "response", epoch: undefined, in_reply_to: "A".repeat(43) } }],
    ["a model off the list", {}, { serves: { providers: ["openai"], intents: ["chat"], models: ["gpt-4"] } }],
    ["a provider that is served no more", {}, { serves: { providers: [], intents: ["chat"] } }],
    ["its environment by an opener of another", {}, { env: "staging" }],
  ])("%s", async (_, making, options) => {
    await expectRefusal(craft(SESSION, making), "not_served", 3, options);
  });

  test("and accepts a model on the list", async () => {
    const serves = { providers: ["openai"], intents: ["chat"], models: ["gpt-4", "gpt-5"] };
    await expectOpened(craft(SESSION), { serves });
  });
});

describe("step 4 applies the clock's window, with inclusive bounds", () => {
  const TTL_MS = 60_000;
  const at = (ts: number, ttl = 60): Buffer => craft(SESSION, { header: { ts, ttl } });
  test.each([
    ["opens at ts - skew", NOW_MS + SKEW_MS, true],
    ["refuses one ms before it", NOW_MS + SKEW_MS + 1, false],
    ["opens at ts + ttl + skew", NOW_MS - TTL_MS - SKEW_MS, true],
    ["refuses one ms after it", NOW_MS - TTL_MS - SKEW_MS - 1, false],
  ])("%s", async (_, ts, opens) => {
    const of = session("request", { minute: Math.floor(ts / 60_000) });
    const envelope = craft(of, { header: { ts, ttl: 60 } });
    if (opens) await expectOpened(envelope);
    else await expectRefusal(envelope, "time", 4);
  });

  test("and accepts a ttl of the window, not one second more", async () => {
    await expectOpened(at(NOW_MS, WINDOW_SECONDS));
    await expectRefusal(at(NOW_MS, WINDOW_SECONDS + 1), "time", 4);
  });

  test.each([
    ["opens with a ts 1 s before the session's minute", MINUTE * 60_000 - 1000, true],
    ["refuses one ms before that", MINUTE * 60_000 - 1001, false],
    [
      "opens with a ts the window after the minute's end",
      (MINUTE + 1) * 60_000 + WINDOW_SECONDS * 1000,
      true,
    ],
    ["refuses one ms after that", (MINUTE + 1) * 60_000 + WINDOW_SECONDS * 1000 + 1, false],
  ])("%s", async (_, ts, opens) => {
    const opener = newOpener();
    opener.clock.nowMs = ts;
    expect((await openOne(opener, at(ts))).ok).toBe(opens);
    expect(opener.observed.reasons).toEqual(opens ? [] : ["time"]);
  });

  test.each([
    ["of minute 0", 0],
    ["of the last minute that there is", 2 ** 32 - 1],
  ])("and refuses a session %s", async (_, minute) => {
    await expectRefusal(craft(session("request", { minute })), "time", 4);
  });
});

test("step 5 refuses a kid without held keys", async () => {
  await expectRefusal(craft(SESSION, { header: { kid: "k2" } }), "unknown_key", 5);
});

describe("step 6 refuses", () => {
  const other = session("request");
  const counterZero: CraftedSession = SESSION;
  test.each<[string, Buffer, Refusal]>([
    ["counter 0", craft(counterZero, { counter: 0 }), "nonce"],
    ["another session's prefix", craft(SESSION, { nonce: nonce(other, 1) }), "nonce"],
    ["a prefix that is wrong in its last bit", craft(SESSION, { nonce: lastPrefixBitFlipped() }), "nonce"],
    [
      "the commitment of another session",
      craft(SESSION, { header: { commitment: other.commitment.toString("base64url") } }),
      "commitment",
    ],
    ["a commitment of zeros", craft(SESSION, { header: { commitment: "A".repeat(43) } }), "commitment"],
    [
      "the session id of another session",
      craft(SESSION, { header: { session_id: other.sessionId.toString("base64url") } }),
      "commitment",
    ],
  ])("%s", async (_, envelope, reason) => {
    await expectRefusal(envelope, reason, 6);
  });

  test("the wrong commitment also in a known session, though the tag is right", async () => {
    const parts = newOpener();
    expect(await openOne(parts, craft(SESSION))).toMatchObject({ ok: true });
    const commitment = other.commitment.toString("base64url");
    const envelope = craft(SESSION, { counter: 2, header: { commitment } });
    expect(await openOne(parts, envelope)).toMatchObject({ ok: false });
    expect(parts.observed.reasons).toEqual(["commitment"]);
  });

  test("counter 0 also in a known session, and accepts the largest", async () => {
    const parts = newOpener();
    expect(await openOne(parts, craft(SESSION))).toMatchObject({ ok: true });
    expect(await openOne(parts, craft(SESSION, { counter: 0 }))).toMatchObject({ ok: false });
    expect(await openOne(parts, craft(SESSION, { counter: 2 ** 32 - 1 }))).toMatchObject({ ok: true });
    expect(parts.observed.reasons).toEqual(["nonce"]);
  });
});

function lastPrefixBitFlipped(): Buffer {
  const flipped = nonce(SESSION, 1);
  flipped[7] = (flipped[7] ?? 0) ^ 1;
  return flipped;
}

test("step 7 refuses the right header under another key", async () => {
  const envelope = craft({ ...SESSION, key: Buffer.alloc(32, 1) });
  await expectRefusal(envelope, "tag", 7);
});

describe("a response's header is refused", () => {
  const RESPONSE = session("response");
  const binding = {
    ...CONTEXT,
    hash: Buffer.alloc(32, 7),
    model: "gpt-5",
    request_id: "0f8fad5b-d9cb-469f-a165-70867728950e",
  };
  test.each<[string, Members]>([
    ["with an epoch", { epoch: "A".repeat(22) }],
    ["without in_reply_to", { in_reply_to: undefined }],
    ["with an in_reply_to of loose bits", { in_reply_to: loosened(Buffer.alloc(32, 7)) }],
    ["with seq alone", { seq: 0 }],
    ["with final alone", { final: 1 }],
    ["with a negative seq", { seq: -1, final: 0 }],
    ["with a seq of 2^31", { seq: 2 ** 31, final: 0 }],
    ["with a seq in quotes", { seq: "0", final: 0 }],
    ["with a float for seq", { seq: 0.5, final: 0 }],
    ["with final 2", { seq: 0, final: 2 }],
    ["with final true", { seq: 0, final: true }],
  ])("%s", (_, header) => {
    const { opener, observed } = newOpener();
    expect(opener.openResponse(craft(RESPONSE, { header }), binding)).toMatchObject({
      ok: false,
      isBlamed: false,
    });
    expect(observed.reasons).toEqual(["members"]);
  });

  test("only for those: a crafted response is opened, whole and as a chunk", () => {
    const { opener } = newOpener();
    expect(opener.openResponse(craft(RESPONSE), binding)).toMatchObject({ ok: true });
    const header = { seq: 2 ** 31 - 1, final: 1 };
    const chunk = craft(RESPONSE, { counter: 2, header });
    expect(opener.openResponse(chunk, { ...binding, seq: 2 ** 31 - 1 })).toMatchObject({ ok: true });
  });
});
