import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { NOISE_BYTES, REFUSALS, type RequestOpening, type ResponseBinding } from "../src/index.ts";
import { CONTEXT, craft, IKM, MODEL, REQUEST_ID, session } from "./craft.ts";
import { newOpener, newSealer, openAll, openOne, subkeysOf, TestKeys } from "./fixtures.ts";

// Takes seconds on an idle machine, and longer on a busy one.
vi.setConfig({ testTimeout: 120_000 });

const BODY = Buffer.from(Array.from({ length: 1024 }, (_, index) => (index * 7) & 0xff));
const AT_ONCE = 512;
const OTHER_PROVIDER = { ...CONTEXT, provider: "anthropic" };
const OTHER_INTENT = { ...CONTEXT, intent: "embed" };
const OTHER_ENV = { ...CONTEXT, env: "staging" };

const { sealer } = newSealer();
const request = { provider: "openai", intent: "chat", model: MODEL, requestId: REQUEST_ID, body: BODY };
const sealed = sealer.sealRequest(request);
const second = sealer.sealRequest(request);
const answer = { request: sealed, body: BODY };
const response = sealer.sealResponse(answer);
const secondResponse = sealer.sealResponse(answer);
const binding: ResponseBinding = {
  hash: sealed.hash,
  provider: "openai",
  intent: "chat",
  model: MODEL,
  request_id: REQUEST_ID,
};

function* everyBitOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield flipped;
  }
}

function* everyTruncationOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length += 1) yield bytes.subarray(0, length);
}

function* everyExtensionOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let byte = 0; byte < 256; byte += 1) yield Buffer.concat([bytes, Uint8Array.of(byte)]);
}

/** Opens each twice, many at once, and returns the noises of each. */
async function noises(
  parts: ReturnType<typeof newOpener>,
  envelopes: Iterable<Uint8Array>,
): Promise<string[]> {
  const all: string[] = [];
  let batch: Uint8Array[] = [];
  const open = async () => {
    const twice = await openAll(parts, [...batch, ...batch]);
    const [first, again] = [twice.slice(0, batch.length), twice.slice(batch.length)].map(noisesOf);
    expect(again).toEqual(first);
    all.push(...(first ?? []));
    batch = [];
  };
  for (const envelope of envelopes) if (batch.push(envelope) === AT_ONCE) await open();
  await open();
  return all;
}

function noisesOf(openings: readonly RequestOpening[]): string[] {
  return openings.map((opening) => {
    if (opening.ok) throw new Error("an altered envelope was opened");
    expect(Object.keys(opening)).toEqual(["ok", "noise"]);
    expect(opening.noise.data).toHaveLength(NOISE_BYTES);
    return Buffer.from(opening.noise.data).toString("latin1");
  });
}

describe.each([
  ["an opener that has opened nothing yet", false],
  ["an opener that knows the session and the shape of its headers", true],
] as const)("%s", (_, knowsSession) => {
  let parts: ReturnType<typeof newOpener>;
  beforeAll(async () => {
    parts = newOpener();
    if (!knowsSession) return;
    expect(await openOne(parts, sealed.bytes)).toMatchObject({ ok: true });
    expect(parts.opener.openResponse(response.bytes, binding)).toMatchObject({ ok: true });
    parts.guard.asked.length = 0;
    parts.observed.reasons.length = 0;
  });

  test.each([
    ["with any one bit flipped", everyBitOf, second.bytes.length * 8],
    ["cut short at any byte", everyTruncationOf, second.bytes.length],
    ["with any one byte added", everyExtensionOf, 256],
  ] as const)(
    "refuses a request %s, before the guard, with noise of one length, equal only for equal bytes",
    async (_title, change, count) => {
      const all = await noises(parts, change(second.bytes));
      expect(all).toHaveLength(count);
      expect(new Set(all).size).toBe(count);
      expect(parts.guard.asked).toHaveLength(0);
      expect(Math.max(...parts.observed.reasons.map((reason) => REFUSALS[reason]))).toBeLessThanOrEqual(7);
    },
  );

  test.each([
    ["with any one bit flipped", everyBitOf, secondResponse.bytes.length * 8],
    ["cut short at any byte", everyTruncationOf, secondResponse.bytes.length],
    ["with any one byte added", everyExtensionOf, 256],
  ] as const)("refuses a response %s, before it looks at what it answers", (_title, change, count) => {
    parts.observed.reasons.length = 0;
    let refused = 0;
    for (const envelope of change(secondResponse.bytes)) {
      const opening = parts.opener.openResponse(envelope, binding);
      if (!opening.ok && !("noise" in opening) && !("header" in opening)) refused += 1;
    }
    expect(refused).toBe(count);
    expect(Math.max(...parts.observed.reasons.map((reason) => REFUSALS[reason]))).toBeLessThanOrEqual(7);
  });

  test("opens the unaltered ones", async () => {
    const opened = await openOne(parts, second.bytes);
    expect(opened).toEqual({ ok: true, header: second.header, body: BODY, hash: second.hash });
    expect(Buffer.from(second.hash)).toEqual(createHash("sha256").update(second.bytes).digest());
    const openedResponse = parts.opener.openResponse(secondResponse.bytes, binding);
    expect(openedResponse).toEqual({ ok: true, header: secondResponse.header, body: BODY });
  });
});

/** The header of `front` with the ciphertext and tag of `back`. */
function spliced(front: Uint8Array, back: Uint8Array): Buffer {
  const aadBytes = (bytes: Uint8Array) => 4 + Buffer.from(bytes).readUInt32BE(0);
  return Buffer.concat([front.subarray(0, aadBytes(front)), back.subarray(aadBytes(back))]);
}

describe("a request is refused", () => {
  const other = newSealer().sealer.sealRequest(request);
  test.each([
    ["with the header of the session's other envelope", spliced(sealed.bytes, second.bytes), "tag"],
    ["with the header of another session's envelope", spliced(other.bytes, sealed.bytes), "tag"],
    ["with the header of a response", spliced(response.bytes, sealed.bytes), "not_served"],
    ["when a response is sent in its place", response.bytes, "not_served"],
    [
      "with the body of another",
      Buffer.concat([sealed.bytes.subarray(0, -20), second.bytes.subarray(-20)]),
      "tag",
    ],
    [
      "sealed with the keys of another provider, under this one's name",
      craft(session("request", { context: OTHER_PROVIDER }), { header: CONTEXT }),
      "commitment",
    ],
    [
      "sealed with the keys of another intent, under this one's name",
      craft(session("request", { context: OTHER_INTENT }), { header: CONTEXT }),
      "commitment",
    ],
    [
      "sealed with the keys of another environment, under this one's name",
      craft(session("request", { context: OTHER_ENV }), { header: CONTEXT }),
      "commitment",
    ],
    [
      "sealed with the keys of another kid, under this one's name",
      craft(session("request", { ikm: Buffer.alloc(32, 9) })),
      "commitment",
    ],
    ["sealed with the keys of a response", craft({ ...session("response"), phase: "request" }), "commitment"],
    ["for another provider", craft(session("request", { context: OTHER_PROVIDER })), "not_served"],
    ["for another intent", craft(session("request", { context: OTHER_INTENT })), "not_served"],
    ["for another environment", craft(session("request", { context: OTHER_ENV })), "not_served"],
  ] as const)("%s", async (_, envelope, reason) => {
    const parts = newOpener();
    expect(await openOne(parts, envelope)).toMatchObject({ ok: false });
    expect(parts.observed.reasons).toEqual([reason]);
    expect(parts.guard.asked).toHaveLength(0);
  });

  test("of one provider on the subject of another, though both are served", async () => {
    const keys = new TestKeys(subkeysOf(), subkeysOf({ context: OTHER_PROVIDER }));
    const parts = newOpener({ keys, serves: { providers: ["openai", "anthropic"], intents: ["chat"] } });
    expect(await openOne(parts, sealed.bytes, "anthropic")).toMatchObject({ ok: false });
    expect(await openOne(parts, sealed.bytes, "openai")).toMatchObject({ ok: true });
    expect(parts.observed.reasons).toEqual(["not_served"]);
  });

  test.each([
    ["provider", { context: OTHER_PROVIDER }],
    ["intent", { context: OTHER_INTENT }],
    ["environment", { context: OTHER_ENV }],
    ["master key", { ikm: Buffer.from(IKM).fill(3) }],
  ])("by an opener with the keys of another %s under the right names", async (_, wrong) => {
    const { encKey, nonceKey } = subkeysOf(wrong);
    const parts = newOpener({ keys: new TestKeys({ ...subkeysOf(), encKey, nonceKey }) });
    expect(await openOne(parts, sealed.bytes)).toMatchObject({ ok: false });
    expect(parts.observed.reasons).toEqual(["commitment"]);
  });
});

describe("a response is refused", () => {
  test.each([
    ["when the request itself is sent back", sealed.bytes, "not_served"],
    ["with the header of the session's other envelope", spliced(response.bytes, secondResponse.bytes), "tag"],
    ["with the header of a request", spliced(sealed.bytes, response.bytes), "not_served"],
    ["sealed with the keys of a request", craft({ ...session("request"), phase: "response" }), "commitment"],
    [
      "sealed with the keys of another provider, under this one's name",
      craft(session("response", { context: OTHER_PROVIDER }), { header: CONTEXT }),
      "commitment",
    ],
    ["for another provider", craft(session("response", { context: OTHER_PROVIDER })), "not_served"],
    ["for another intent", craft(session("response", { context: OTHER_INTENT })), "not_served"],
    ["for another environment", craft(session("response", { context: OTHER_ENV })), "not_served"],
  ] as const)("%s", (_, envelope, reason) => {
    const { opener, observed } = newOpener();
    expect(opener.openResponse(envelope, binding)).toMatchObject({ ok: false });
    expect(observed.reasons).toEqual([reason]);
  });
});
