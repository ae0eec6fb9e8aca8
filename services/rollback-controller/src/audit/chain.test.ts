import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AuditEntry, AuditRecord } from "../ports.ts";
import {
  ChainCheck,
  type ChainEnd,
  type ChainProblem,
  chainEntry,
  EMPTY_CHAIN,
  ENTRY_BYTES_MAX,
  endAfter,
  fitRecord,
  isIntact,
  readEntry,
} from "./chain.ts";

const bytesOf = (entry: unknown): Uint8Array => Buffer.from(JSON.stringify(entry));
const recordOf = (n: number): AuditRecord => ({
  at: 1_700_000_000_000 + n,
  action: "flags",
  by: "admin",
  reason: `change ${n}`,
  before: { share: n },
  after: { share: n + 1 },
});

function chainOf(records: readonly AuditRecord[]): AuditEntry[] {
  let end: ChainEnd = EMPTY_CHAIN;
  return records.map((record) => {
    const entry = chainEntry(record, end);
    end = entry;
    return entry;
  });
}

/** Checks the messages 1, 2, ... */
function check(held: readonly (Uint8Array | undefined)[]): ChainProblem[] {
  const chain = new ChainCheck();
  return held.flatMap((bytes, index) => chain.take({ seq: index + 1, bytes }));
}

const entries = chainOf([0, 1, 2, 3, 4].map(recordOf));
const held = entries.map(bytesOf);
const shortly = (problems: readonly ChainProblem[]) => problems.map(({ seq, problem }) => [seq, problem]);

/** Replaces the message of a number. */
function put(seq: number, bytes: Uint8Array | undefined): (Uint8Array | undefined)[] {
  return held.map((own, index) => (index === seq - 1 ? bytes : own));
}

/** An entry with another content and a matching hash. */
function forged(seq: number): Uint8Array {
  const { hash: _, previous, seq: own, ...record } = entries[seq - 1] as AuditEntry;
  return bytesOf(chainEntry({ ...record, reason: "nothing happened" }, { seq: own - 1, hash: previous }));
}

test("a chain of any records, read back from its bytes, has no problems", () => {
  const records = fc.array(
    fc.record(
      {
        at: fc.nat(),
        action: fc.string({ minLength: 1 }),
        by: fc.string({ unit: "grapheme" }),
        reason: fc.string({ unit: "grapheme" }),
        before: fc.jsonValue(),
        after: fc.jsonValue(),
      },
      { requiredKeys: ["at", "action", "by", "reason"] },
    ),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(records, (some) => {
      const chain = chainOf(some);
      expect(check(chain.map(bytesOf))).toEqual([]);
      expect(chain.map((entry) => readEntry(bytesOf(entry)))).toEqual(JSON.parse(JSON.stringify(chain)));
    }),
  );
});

describe("tampering is found, with the number of the entry", () => {
  const swapped = [held[0], held[2], held[1], held[3], held[4]];
  test.each([
    ["a changed reason", put(3, bytesOf({ ...entries[2], reason: "changed" })), [[3, "altered"]]],
    ["a changed actor", put(1, bytesOf({ ...entries[0], by: "another" })), [[1, "altered"]]],
    ["a removed state", put(2, bytesOf({ ...entries[1], before: undefined })), [[2, "altered"]]],
    ["a changed number", put(4, bytesOf({ ...entries[3], seq: 5 })), [[4, "altered"]]],
    ["a replaced entry with a matching hash", put(2, forged(2)), [[2, "replaced"]]],
    ["a replaced first entry", put(1, forged(1)), [[1, "replaced"]]],
    ["a deleted entry", put(3, undefined), [[3, "missing"]]],
    [
      "a message that is not an entry",
      put(3, Buffer.from("{}")),
      [
        [3, "no entry"],
        [3, "replaced"],
      ],
    ],
    [
      "an added member",
      put(2, bytesOf({ ...entries[1], note: 1 })),
      [
        [2, "no entry"],
        [2, "replaced"],
      ],
    ],
    [
      "two swapped entries",
      swapped,
      [
        [2, "out of place"],
        [3, "out of place"],
        [3, "replaced"],
      ],
    ],
    [
      "the first entry left out, the rest moved up",
      held.slice(1),
      [2, 3, 4, 5].map((_, n) => [n + 1, "out of place"]),
    ],
  ])("%s", (_case, tampered, found) => {
    expect(shortly(check(tampered))).toEqual(found);
  });
});

test("an entry behind a message that is not an entry commits to its bytes", () => {
  const junk = Buffer.from("not an entry");
  const after = chainEntry(recordOf(1), endAfter(1, junk));
  expect(shortly(check([junk, bytesOf(after)]))).toEqual([[1, "no entry"]]);
  expect(shortly(check([Buffer.from("other junk"), bytesOf(after)]))).toEqual([
    [1, "no entry"],
    [1, "replaced"],
  ]);
});

test("the end is that of the last entry, or the empty one", () => {
  const chain = new ChainCheck();
  expect([chain.end, chain.entries]).toEqual([EMPTY_CHAIN, 0]);
  for (const [index, bytes] of held.entries()) chain.take({ seq: index + 1, bytes });
  expect([chain.end, chain.entries]).toEqual([{ seq: 5, hash: entries[4]?.hash }, 5]);
});

test("the hash is the documented one: a program in another language gets the same", () => {
  // printf '\0\0%s' '{"action":"kill","at":1,"by":"admin","reason":"r","seq":1}' | openssl dgst -sha256 -binary | basenc --base64url
  const entry = chainEntry({ at: 1, action: "kill", by: "admin", reason: "r" }, EMPTY_CHAIN);
  expect(entry.hash).toBe("2en9NnNaUq2_ilqgHZHV2Q7tBef3kYq0bDiqF_VPEBA");
  expect(isIntact(entry)).toBe(true);
});

const record: AuditRecord = { at: 1, action: "flags", by: "admin", reason: "why" };
const circular: Record<string, unknown> = {};
circular.self = circular;

test("a record that fits is unchanged", () => {
  const fitting = { ...record, before: { a: [1, null] }, after: null };
  expect(fitRecord(fitting)).toEqual(fitting);
});

test("members without a value are left out, as in the stored form", () => {
  expect(fitRecord({ ...record, after: { a: undefined, b: 1 } })).toEqual({ ...record, after: { b: 1 } });
});

test.each([
  ["too large", "x".repeat(ENTRY_BYTES_MAX), /bytes are too many/],
  ["a circle", circular, /JSON/],
  ["a bigint", 1n, /JSON/],
  ["a lone surrogate", { text: "\ud800" }, /JSON/],
])("what was before is left out where it is %s, and that said", (_case, before, says) => {
  const fitted = fitRecord({ ...record, before });
  expect(fitted).toEqual({ ...record, after: { omitted: expect.stringMatching(says) } });
});

test("a reason with half a character, or of any length, is kept as far as possible", () => {
  const { reason, by } = fitRecord({ ...record, reason: `a\ud800b${"y".repeat(9000)}`, by: "\udfff" });
  expect(reason.startsWith("a\ufffdby")).toBe(true);
  expect([reason.length, by]).toEqual([2000, "\ufffd"]);
  expect(() =>
    chainEntry(fitRecord({ ...record, reason: `${"y".repeat(1999)}😀` }), EMPTY_CHAIN),
  ).not.toThrow();
});
