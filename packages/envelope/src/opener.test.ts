import { Decipheriv } from "node:crypto";
import type { AdmitVerdict } from "@scbe/contracts";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  CONTEXT,
  craft,
  EPOCH,
  type Making,
  type Members,
  MODEL,
  NOW_MS,
  nonce,
  REQUEST_ID,
  session,
} from "../test/craft.ts";
import {
  FLOOR_MS,
  newOpener,
  openAll,
  openOne,
  subkeysOf,
  TestClock,
  TestGuard,
  TestKeys,
} from "../test/fixtures.ts";
import { NOISE_BYTES } from "./noise.ts";
import type { ResponseBinding } from "./opener.ts";
import { REFUSALS, type Refusal } from "./refusals.ts";

const SESSION = session("request");
const RESPONSE_SESSION = session("response");
const BODY = Buffer.from('{"messages":[{"role":"user","content":"what only its receiver may see"}]}');
const ARRIVAL = { provider: "openai", arrivedAt: 50_000 };
const BINDING: ResponseBinding = {
  hash: Buffer.alloc(32, 7),
  provider: "openai",
  intent: "chat",
  model: MODEL,
  request_id: REQUEST_ID,
};

afterEach(() => vi.restoreAllMocks());

/** Every plaintext buffer of OpenSSL, also those that no caller gets. */
function watchPlaintext(): Buffer[] {
  const seen: Buffer[] = [];
  const { update } = Decipheriv.prototype;
  vi.spyOn(Decipheriv.prototype, "update").mockImplementation(function (
    this: Decipheriv,
    ...args: unknown[]
  ) {
    const plaintext = Reflect.apply(update, this, args) as Buffer;
    seen.push(plaintext);
    return plaintext as never;
  });
  return seen;
}

/** A guard that decides when a test says so. */
function slowGuard() {
  const { promise, resolve, reject } = Promise.withResolvers<AdmitVerdict>();
  return { guard: new TestGuard(() => promise), decide: resolve, fail: reject };
}

describe("the guard", () => {
  test("gets the envelope's own facts, and a fresh attempt for each opening", async () => {
    const parts = newOpener();
    const envelope = craft(SESSION, { counter: 0x01020304 });
    await openAll(parts, [envelope, envelope]);
    const [first, again] = parts.guard.asked;
    expect(first).toEqual({
      epoch: EPOCH,
      sessionId: SESSION.sessionId,
      counter: 0x01020304,
      replayNonce: Buffer.alloc(24, 0x04),
      tag: envelope.subarray(-16),
      attempt: expect.any(Uint8Array),
    });
    expect(first?.attempt).toHaveLength(16);
    expect(again?.attempt).toHaveLength(16);
    expect(again).toEqual({ ...first, attempt: again?.attempt });
    expect(again?.attempt).not.toEqual(first?.attempt);
  });

  test.each<[string, AdmitVerdict | "?" | undefined, Refusal | undefined]>([
    ["fresh: it is released", "fresh", undefined],
    ["replay: it is refused", "replay", "replay"],
    ["reuse: it is refused", "reuse", "nonce_reuse"],
    ["refused: it is refused", "refused", "not_admitted"],
    ["an unknown verdict: it is refused", "?", "not_admitted"],
    ["nothing: it is refused", undefined, "not_admitted"],
  ])("returns %s", async (_, verdict, reason) => {
    const seen = watchPlaintext();
    const parts = newOpener({ guard: new TestGuard(() => verdict as AdmitVerdict) });
    const opening = await openOne(parts, craft(SESSION, { body: BODY }));
    expect(opening.ok).toBe(reason === undefined);
    expect(parts.observed.reasons).toEqual(reason === undefined ? [] : [reason]);
    expect(parts.observed.events).toEqual(reason === undefined ? ["verified", "released"] : ["refused"]);
    if (reason !== undefined) expect(REFUSALS[reason]).toBe(8);
    expect(seen).toEqual([reason === undefined ? BODY : Buffer.alloc(BODY.length)]);
  });

  test("that fails admits nothing, and the sender gets noise", async () => {
    const seen = watchPlaintext();
    const { guard, fail } = slowGuard();
    fail(new Error("the guard broke"));
    const parts = newOpener({ guard });
    expect(await openOne(parts, craft(SESSION, { body: BODY }))).toMatchObject({ ok: false });
    expect(parts.observed.reasons).toEqual(["not_admitted"]);
    expect(seen).toEqual([Buffer.alloc(BODY.length)]);
  });

  test.each([
    ["one ms before the wait is over", 0, 599, undefined],
    ["when the wait is over", 0, 600, "not_admitted"],
    ["one ms before the floor, having been asked late", 200, 499, undefined],
    ["at the floor, having been asked late", 200, 500, "not_admitted"],
    ["after the floor", 0, 5000, "not_admitted"],
  ] as const)("decides fresh %s", async (_, askedAfterMs, elapsedMs, reason) => {
    const { guard, decide } = slowGuard();
    const { opener, clock, observed } = newOpener({ guard, noiseFloorMs: 700, guardWaitMs: 600 });
    clock.pass(askedAfterMs);
    const opening = opener.openRequest(craft(SESSION), ARRIVAL);
    clock.pass(elapsedMs);
    decide("fresh");
    expect((await opening).ok).toBe(reason === undefined);
    expect(observed.reasons).toEqual(reason === undefined ? [] : [reason]);
  });
});

describe("while the guard decides", () => {
  const noKeys: Parameters<typeof subkeysOf>[0][] = [];
  test.each([
    ["a withdrawn key makes it a refusal", noKeys],
    ["a key withdrawn and granted again makes it a refusal, which a fresh envelope mends", [{}]],
    ["another key under the same name makes it a refusal", [{ ikm: Buffer.alloc(32, 5) }]],
  ])("%s", async (_, then) => {
    const seen = watchPlaintext();
    const { guard, decide } = slowGuard();
    const { opener, clock, keys, observed } = newOpener({ guard });
    const opening = opener.openRequest(craft(SESSION, { body: BODY }), ARRIVAL);
    keys.held = then.map((options) => subkeysOf(options));
    decide("fresh");
    await vi.waitFor(() => expect(observed.events).toEqual(["verified", "refused"]));
    expect(observed.reasons).toEqual(["withdrawn"]);
    clock.pass(FLOOR_MS);
    expect(await opening).toMatchObject({ ok: false });
    expect(seen).toEqual([Buffer.alloc(BODY.length)]);
  });

  test("a provider that is no longer served makes it a refusal", async () => {
    const { guard, decide } = slowGuard();
    const providers = ["openai"];
    const { opener, clock, observed } = newOpener({ guard, serves: { providers, intents: ["chat"] } });
    const opening = opener.openRequest(craft(SESSION), ARRIVAL);
    providers.pop();
    decide("fresh");
    await vi.waitFor(() => expect(observed.reasons).toEqual(["withdrawn"]));
    clock.pass(FLOOR_MS);
    expect(await opening).toMatchObject({ ok: false });
  });

  test("other keys can come and go", async () => {
    const { guard, decide } = slowGuard();
    const { opener, keys } = newOpener({ guard });
    const opening = opener.openRequest(craft(SESSION), ARRIVAL);
    keys.held = [subkeysOf({ kid: "k2", ikm: Buffer.alloc(32, 5) }), ...keys.held];
    decide("fresh");
    expect(await opening).toMatchObject({ ok: true });
  });
});

test("a request of another intent than the subject's is refused before the guard, and opens with its own intent", async () => {
  const { opener, guard, observed, clock } = newOpener({
    serves: { providers: ["openai"], intents: ["chat", "embed"] },
  });
  const envelope = craft(SESSION);
  const [wrong, right] = [
    { ...ARRIVAL, intent: "embed" },
    { ...ARRIVAL, intent: "chat" },
  ];
  clock.monotonicMs += FLOOR_MS;
  expect(await opener.openRequest(envelope, wrong)).toMatchObject({ ok: false });
  expect([observed.reasons, guard.asked]).toEqual([["not_served"], []]);
  clock.monotonicMs = ARRIVAL.arrivedAt;
  expect(await opener.openRequest(envelope, right)).toMatchObject({ ok: true });
});

test("a withdrawn key opens nothing, also in a known session", async () => {
  const keys = new TestKeys(subkeysOf());
  const parts = newOpener({ keys });
  expect(await openOne(parts, craft(SESSION))).toMatchObject({ ok: true });
  keys.held = [];
  expect(await openOne(parts, craft(SESSION, { counter: 2 }))).toMatchObject({ ok: false });
  keys.held = [{ ...subkeysOf(), ...pick(subkeysOf({ ikm: Buffer.alloc(32, 5) })) }];
  expect(await openOne(parts, craft(SESSION, { counter: 3 }))).toMatchObject({ ok: false });
  expect(parts.observed.reasons).toEqual(["unknown_key", "commitment"]);
});

function pick({ encKey, nonceKey }: ReturnType<typeof subkeysOf>) {
  return { encKey, nonceKey };
}

const BEFORE_THE_TAG: readonly (readonly [Refusal, Buffer])[] = [
  ["malformed", Buffer.alloc(64)],
  ["not_canonical", craft(SESSION, { write: (text) => `${text} ` })],
  ["version", craft(SESSION, { header: { v: 2 } })],
  ["members", craft(SESSION, { header: { extra: 1 } })],
  ["not_served", craft(SESSION, { header: { intent: "embed" } })],
  ["time", craft(SESSION, { header: { ts: NOW_MS + 30_001 } })],
  ["unknown_key", craft(SESSION, { header: { kid: "k2" } })],
  ["nonce", craft(SESSION, { counter: 0 })],
  ["commitment", craft(SESSION, { header: { commitment: "A".repeat(43) } })],
  ["tag", craft({ ...SESSION, key: Buffer.alloc(32) })],
];

describe("the observer gets no facts of an unverified header", () => {
  test.each(BEFORE_THE_TAG)("%s", async (reason, envelope) => {
    const parts = newOpener();
    await openOne(parts, envelope);
    expect(parts.observed.events).toEqual(["refused"]);
    expect(parts.observed.reasons).toEqual([reason]);
    expect(parts.observed.verifiedFacts).toEqual([]);
  });

  test("and of verified ones the skew: our clock less the sealer's", async () => {
    const parts = newOpener();
    await openOne(parts, craft(SESSION, { header: { ts: NOW_MS - 1234 } }));
    expect(parts.observed.verifiedFacts).toEqual([
      { phase: "request", provider: "openai", ms: 0, skewMs: 1234 },
    ]);
  });

  test("and nothing of a copy, however late an attacker replays it", async () => {
    const guard = new TestGuard(() => (guard.asked.length === 1 ? "fresh" : "replay"));
    const parts = newOpener({ guard });
    const envelope = craft(SESSION, { header: { ts: NOW_MS - 1234 } });
    await openAll(parts, [envelope, envelope, envelope]);
    expect(parts.observed.reasons).toEqual(["replay", "replay"]);
    expect(parts.observed.verifiedFacts).toHaveLength(1);
  });

  test("it gets each tag check with its key, and none for envelopes without a check", async () => {
    const parts = newOpener();
    const envelope = craft(SESSION);
    const forged = Buffer.from(envelope);
    forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1);
    await openAll(parts, [envelope, forged, envelope.subarray(0, 40)]);
    const key = { phase: "request", provider: "openai", intent: "chat", kid: "k1" };
    expect(parts.observed.tags).toEqual([
      { ...key, verified: true },
      { ...key, verified: false },
    ]);
    expect(parts.observed.reasons).toEqual(["tag", "malformed"]);
  });
});

describe("the noise", () => {
  test("is due at the floor after arrival for every reason, however long the decision took", async () => {
    const clock = new TestClock();
    const guard = new TestGuard(() => {
      clock.monotonicMs += 599;
      return "replay";
    });
    const { opener, observed } = newOpener({ noiseFloorMs: 700, clock, guard });
    const envelopes = [...BEFORE_THE_TAG.map(([, envelope]) => envelope), craft(SESSION)];
    for (const envelope of envelopes) {
      const opening = await opener.openRequest(envelope, ARRIVAL);
      if (opening.ok) throw new Error("a bad envelope was opened");
      expect(opening.noise.data).toHaveLength(NOISE_BYTES);
      expect(opening.noise.notBefore).toBe(ARRIVAL.arrivedAt + 700);
    }
    expect(observed.reasons).toHaveLength(envelopes.length);
    expect(observed.reasons.at(-1)).toBe("replay");
  });

  test("is the same for the same bytes, whether the opener or its caller refuses, and differs by opener", async () => {
    const [one, other] = [newOpener(), newOpener()];
    const envelope = craft(SESSION, { counter: 0 });
    const arrivedAt = one.clock.monotonic();
    const opening = await openOne(one, envelope);
    if (opening.ok) throw new Error("a bad envelope was opened");
    expect(one.opener.refuse(envelope, arrivedAt)).toEqual(opening.noise);
    const elsewhere = other.opener.refuse(envelope, arrivedAt);
    expect(elsewhere.data).toHaveLength(NOISE_BYTES);
    expect(elsewhere.data).not.toEqual(opening.noise.data);
  });

  test("is not part of the result for a response", () => {
    const { opener } = newOpener();
    expect(opener.openResponse(craft(RESPONSE_SESSION, { counter: 0 }), BINDING)).toEqual({
      ok: false,
      isBlamed: true,
      mayBeOurs: false,
    });
  });
});

describe("a response is accepted only as the answer to its request", () => {
  const of = (header: Members = {}, making: Making = {}): Buffer =>
    craft(RESPONSE_SESSION, { ...making, header, body: BODY });
  const openResponse = (envelope: Buffer, binding: ResponseBinding) => {
    const models = { providers: ["openai"], intents: ["chat", "embed"] };
    const keys = new TestKeys(subkeysOf(), subkeysOf({ context: { ...CONTEXT, intent: "embed" } }));
    const parts = newOpener({ keys, serves: models });
    return { opening: parts.opener.openResponse(envelope, binding), ...parts };
  };

  test("if it is that", () => {
    const { opening, observed, guard } = openResponse(of(), BINDING);
    expect(opening).toMatchObject({ ok: true, body: BODY });
    expect(observed.events).toEqual(["verified", "released"]);
    expect(guard.asked).toEqual([]);
  });

  test.each<[string, Buffer, Partial<ResponseBinding>]>([
    ["another hash", of(), { hash: Buffer.alloc(32, 8) }],
    ["a hash that is cut short", of(), { hash: Buffer.alloc(31, 7) }],
    ["no hash", of(), { hash: Buffer.alloc(0) }],
    ["another request's id", of(), { request_id: REQUEST_ID.replace("0", "1") }],
    ["another model", of(), { model: "gpt-4" }],
    ["an asker that has not sealed the request", of(), { isAwaited: false }],
    ["a chunk that is due, and a whole response came", of(), { seq: 0 }],
    ["a whole response that is due, and a chunk came", of({ seq: 0, final: 1 }), {}],
    ["chunk 1 that is due, and chunk 0 came again", of({ seq: 0, final: 0 }), { seq: 1 }],
    ["chunk 1 that is due, and chunk 2 came", of({ seq: 2, final: 0 }), { seq: 1 }],
  ])("and not with %s", (_, envelope, change) => {
    const seen = watchPlaintext();
    const { opening, observed } = openResponse(envelope, { ...BINDING, ...change });
    expect(opening).toEqual({ ok: false, isBlamed: false, mayBeOurs: false });
    expect(observed.reasons).toEqual(["binding"]);
    expect(observed.events).toEqual(["refused"]);
    expect(seen).toEqual([Buffer.alloc(BODY.length)]);
  });

  test.each([{ provider: "anthropic" }, { intent: "embed" }])("and not to $provider $intent", (change) => {
    const { opening, observed } = openResponse(of(), { ...BINDING, ...change });
    expect(opening).toEqual({ ok: false, isBlamed: false, mayBeOurs: false });
    expect(observed.reasons).toEqual(["not_served"]);
  });

  test.each([0, 1, 2 ** 31 - 1])("as the expected chunk: %i", (seq) => {
    const { opening } = openResponse(of({ seq, final: 0 }), { ...BINDING, seq });
    expect(opening).toMatchObject({ ok: true, header: { seq, final: 0 } });
  });

  test("while its key is held", () => {
    const parts = newOpener();
    let asked = 0;
    const find = parts.keys.find.bind(parts.keys);
    vi.spyOn(parts.keys, "find").mockImplementation((...names) => {
      asked += 1;
      return asked === 1 ? find(...names) : undefined;
    });
    const opening = { ok: false, isBlamed: false, mayBeOurs: true };
    expect(parts.opener.openResponse(of(), BINDING)).toEqual(opening);
    expect(parts.observed.reasons).toEqual(["withdrawn"]);
  });
});

describe("a response that fails to open is blamed on its gateway", () => {
  const of = (header: Members = {}, making: Making = {}): Buffer =>
    craft(RESPONSE_SESSION, { ...making, header, body: BODY });
  const ofOtherKeys = session("response", { ikm: Buffer.alloc(32, 9) });
  const open = (envelope: Buffer, change: Partial<ResponseBinding> = {}) => {
    const parts = newOpener();
    return {
      opening: parts.opener.openResponse(envelope, { ...BINDING, ...change }),
      reasons: parts.observed.reasons,
    };
  };

  test.each<[string, Buffer, Refusal]>([
    ["whose tag does not verify", tagFlipped(of()), "tag"],
    ["of a session that other keys have made", craft(ofOtherKeys, { body: BODY }), "commitment"],
    ["with a nonce of another session", of({}, { nonce: Buffer.alloc(12, 1) }), "nonce"],
  ])("if it names this request: one %s", (_, envelope, reason) => {
    const opening = { ok: false, isBlamed: true, mayBeOurs: false };
    expect(open(envelope)).toEqual({ opening, reasons: [reason] });
  });

  test.each<[string, Buffer, Partial<ResponseBinding>, Refusal]>([
    ["names another request's envelope", tagFlipped(of()), { hash: Buffer.alloc(32, 8) }, "tag"],
    ["names another request", tagFlipped(of()), { request_id: REQUEST_ID.replace("0", "1") }, "tag"],
    ["is of a key that is not held", tagFlipped(of({ kid: "k2" })), {}, "unknown_key"],
    ["is of another time", tagFlipped(of({ ts: NOW_MS - 3_600_000 })), {}, "time"],
    ["is not an envelope", Buffer.alloc(600, 3), {}, "malformed"],
    ["comes to an asker that has not sealed the request", tagFlipped(of()), { isAwaited: false }, "tag"],
  ])("and not if it %s", (_, envelope, change, reason) => {
    const mayBeOurs = reason === "unknown_key" || reason === "time";
    const opening = { ok: false, isBlamed: false, mayBeOurs };
    expect(open(envelope, change)).toEqual({ opening, reasons: [reason] });
  });
});

describe("plaintext of a refused envelope is zeroed", () => {
  test.each([
    ["a flipped tag", tagFlipped(craft(SESSION, { body: BODY }))],
    ["a flipped bit of the header", headerFlipped(craft(SESSION, { body: BODY }))],
  ])("after %s", async (_, envelope) => {
    const seen = watchPlaintext();
    const parts = newOpener();
    await openOne(parts, envelope);
    expect(parts.observed.reasons).toEqual(["tag"]);
    expect(seen).toEqual([Buffer.alloc(BODY.length)]);
  });

  test("and that of a released one is not", async () => {
    const seen = watchPlaintext();
    const opening = await openOne(newOpener(), craft(SESSION, { body: BODY }));
    expect(seen).toEqual([BODY]);
    expect(opening).toMatchObject({ ok: true, body: BODY });
  });
});

function tagFlipped(envelope: Buffer): Buffer {
  envelope[envelope.length - 1] = (envelope.at(-1) ?? 0) ^ 1;
  return envelope;
}

/** Another legal request id, for which the tag is wrong. */
function headerFlipped(envelope: Buffer): Buffer {
  const at = envelope.indexOf(REQUEST_ID);
  envelope[at] = (envelope[at] ?? 0) ^ 1;
  return envelope;
}

test("envelopes of one session arrive in any order, each once in an opening of its own", async () => {
  const parts = newOpener();
  const counters = [7, 1, 2 ** 32 - 1, 3, 2];
  const openings = await openAll(
    parts,
    counters.map((counter) => craft(SESSION, { nonce: nonce(SESSION, counter), counter })),
  );
  expect(openings.every(({ ok }) => ok)).toBe(true);
  expect(parts.guard.asked.map(({ counter }) => counter)).toEqual(counters);
});
