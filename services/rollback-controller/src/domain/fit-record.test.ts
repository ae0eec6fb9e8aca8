import { expect, test } from "vitest";
import type { AuditRecord } from "../ports.ts";
import { chainEntry, EMPTY_CHAIN } from "./audit-chain.ts";
import { ENTRY_BYTES_MAX, fitRecord } from "./fit-record.ts";

const record: AuditRecord = { at: 1, action: "flags", by: "admin", reason: "why" };
const circular: Record<string, unknown> = {};
circular.self = circular;

test("a record that fits stays what it is", () => {
  const fitting = { ...record, before: { a: [1, null] }, after: null };
  expect(fitRecord(fitting)).toEqual(fitting);
});

test("members without a value are left out, as they are when it is stored", () => {
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

test("a reason with half a character, or without an end, is kept as far as it can be", () => {
  const { reason, by } = fitRecord({ ...record, reason: `a\ud800b${"y".repeat(9000)}`, by: "\udfff" });
  expect(reason.startsWith("a\ufffdby")).toBe(true);
  expect([reason.length, by]).toEqual([2000, "\ufffd"]);
  expect(() =>
    chainEntry(fitRecord({ ...record, reason: `${"y".repeat(1999)}😀` }), EMPTY_CHAIN),
  ).not.toThrow();
});
