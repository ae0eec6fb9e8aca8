import { beforeEach, describe, expect, test, vi } from "vitest";
import { parseHeader } from "../src/header/parse.ts";
import { deriveCommitment, deriveSessionKeys } from "../src/keys.ts";
import { type CraftedSession, craft, KID, session } from "./craft.ts";
import { newOpener, openAll, openOne, subkeysOf, TestKeys } from "./fixtures.ts";

// Counts calls of the real functions: learning saves parsing and deriving.
vi.mock(import("../src/header/parse.ts"), { spy: true });
vi.mock(import("../src/keys.ts"), { spy: true });

/** More sessions than an opener remembers by header (1024) and by keys (4096). */
const FLOOD = 4500;

// Takes seconds on an idle machine, and longer on a busy one.
vi.setConfig({ testTimeout: 120_000 });

beforeEach(() => vi.clearAllMocks());

function work() {
  return {
    parsed: vi.mocked(parseHeader).mock.calls.length,
    derived: vi.mocked(deriveSessionKeys).mock.calls.length,
    committed: vi.mocked(deriveCommitment).mock.calls.length,
  };
}
const NOTHING = { parsed: 0, derived: 0, committed: 0 };

async function learned(of: CraftedSession) {
  const parts = newOpener();
  expect(await openOne(parts, craft(of))).toMatchObject({ ok: true });
  expect(work()).toEqual({ parsed: 1, derived: 1, committed: 1 });
  vi.clearAllMocks();
  return parts;
}

/** One byte of the tag is wrong, so all before step 7 passes. */
function forged(envelope: Buffer): Buffer {
  envelope[envelope.length - 1] = (envelope.at(-1) ?? 0) ^ 0x80;
  return envelope;
}

describe("an opener that has opened a request of a session", () => {
  const of = session("request");

  test("does not parse or derive for the next one", async () => {
    const parts = await learned(of);
    expect(await openOne(parts, craft(of, { counter: 2 }))).toMatchObject({ ok: true });
    expect(work()).toEqual(NOTHING);
  });

  test("parses once for each further kind of request, and derives never", async () => {
    const parts = await learned(of);
    for (const counter of [2, 3]) {
      const header = { content_type: "text/plain" };
      expect(await openOne(parts, craft(of, { counter, header }))).toMatchObject({ ok: true });
    }
    expect(work()).toEqual({ ...NOTHING, parsed: 1 });
  });

  test.each<[string, (index: number) => Buffer]>([
    ["sessions of which the commitment is right", () => forged(craft(session("request")))],
    ["sessions with an invented commitment", () => craft(session("request", { ikm: Buffer.alloc(32, 1) }))],
    [
      "the same session, each of another kind",
      (index) => forged(craft(of, { counter: index + 2, header: { content_type: `text/${index}` } })),
    ],
    [
      "the same commitment with other sessions",
      () => {
        const { sessionId } = session("request");
        return craft(of, { header: { session_id: sessionId.toString("base64url") } });
      },
    ],
  ])("remembers it through a flood of forgeries of %s", async (_, forge) => {
    const parts = await learned(of);
    for (let at = 0; at < FLOOD; at += 500) {
      const envelopes = Array.from({ length: 500 }, (_unused, index) => forge(at + index));
      const openings = await openAll(parts, envelopes);
      expect(openings.some(({ ok }) => ok)).toBe(false);
    }
    expect(new Set(parts.observed.reasons).size).toBe(1);
    expect(parts.guard.asked).toHaveLength(1);
    vi.clearAllMocks();
    expect(await openOne(parts, craft(of, { counter: FLOOD + 2 }))).toMatchObject({ ok: true });
    expect(work()).toEqual(NOTHING);
  });

  test("forgets it with its key: after the key comes back, it derives again", async () => {
    const parts = await learned(of);
    parts.keys.held = [subkeysOf()];
    expect(await openOne(parts, craft(of, { counter: 2 }))).toMatchObject({ ok: true });
    expect(work()).toEqual({ parsed: 0, derived: 1, committed: 1 });
  });
});

test("an opener learns nothing from a forgery: its session is still new", async () => {
  const parts = newOpener();
  const of = session("request");
  expect(await openOne(parts, forged(craft(of)))).toMatchObject({ ok: false });
  vi.clearAllMocks();
  expect(await openOne(parts, craft(of, { counter: 2 }))).toMatchObject({ ok: true });
  expect(work()).toEqual({ parsed: 1, derived: 1, committed: 1 });
});

test("the memory of an opener is bounded: the oldest session is forgotten, and still opened", async () => {
  const of = session("request");
  const parts = await learned(of);
  for (let at = 0; at < FLOOD; at += 500) {
    const openings = await openAll(
      parts,
      Array.from({ length: 500 }, () => craft(session("request"))),
    );
    expect(openings.every(({ ok }) => ok)).toBe(true);
  }
  vi.clearAllMocks();
  expect(await openOne(parts, craft(of, { counter: 2 }))).toMatchObject({ ok: true });
  expect(work()).toEqual({ parsed: 1, derived: 1, committed: 1 });
});

test("a session under two keys is remembered only for the one that verified it", async () => {
  const of = session("request");
  const other = subkeysOf({ kid: "k2", ikm: Buffer.alloc(32, 5) });
  const parts = newOpener({ keys: new TestKeys(subkeysOf(), other) });
  expect(await openOne(parts, craft(of, { header: { kid: KID } }))).toMatchObject({ ok: true });
  expect(await openOne(parts, craft(of, { counter: 2, header: { kid: "k2" } }))).toMatchObject({ ok: false });
  expect(parts.observed.reasons).toEqual(["commitment"]);
});
