import { expect, test } from "vitest";
import { decodeRecord, encodeRecord } from "./decode-record.ts";

const RECORD = {
  v: 1,
  env: "dev",
  epoch: "AAAAAAAAAAAAAAAAAAAAAA",
  generation: 7,
  store: "store",
  from: 1,
  to: 2,
} as const;

test("a record survives being written and read", () => {
  expect(decodeRecord(encodeRecord(RECORD), "dev")).toEqual({ ok: true, record: RECORD });
});

test("another environment's record is refused", () => {
  expect(decodeRecord(encodeRecord(RECORD), "prod")).toEqual({ ok: false, reason: "env" });
});

test.each([
  ["no JSON", "{"],
  ["another version", JSON.stringify({ ...RECORD, v: 2 })],
  ["a member too many", JSON.stringify({ ...RECORD, more: 1 })],
  ["a member too few", JSON.stringify({ ...RECORD, store: undefined })],
  ["a fraction of a minute", JSON.stringify({ ...RECORD, to: 1.5 })],
  ["too many bytes", `${JSON.stringify(RECORD)}${" ".repeat(1024)}`],
])("%s is no record", (_what, text) => {
  expect(decodeRecord(Buffer.from(text), "dev")).toEqual({ ok: false, reason: "malformed" });
});
