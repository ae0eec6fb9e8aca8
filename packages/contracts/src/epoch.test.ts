import { describe, expect, it, test } from "vitest";
import { type EpochRecord, KnownEpoch, readEpoch, writeEpoch } from "./epoch.ts";
import { INTEGER_MAX, writeMessage } from "./message.ts";

const RECORD: EpochRecord = {
  v: 1,
  env: "dev",
  epoch: "AAAAAAAAAAAAAAAAAAAAAA",
  generation: 7,
  store: "store",
  from: 0,
  to: 0xffff_ffff,
};
const OTHER = "BBBBBBBBBBBBBBBBBBBBBA";

test("a record is read as written", () => {
  expect(readEpoch(writeEpoch(RECORD), "dev")).toEqual({ ok: true, record: RECORD });
});

test("another environment's record is refused", () => {
  expect(readEpoch(writeEpoch(RECORD), "prod")).toEqual({ ok: false, reason: "env" });
});

test("a record that readers refuse is not written", () => {
  expect(() => writeEpoch({ ...RECORD, generation: INTEGER_MAX + 1 })).toThrow();
});

describe("a record", () => {
  it.each<[string, object]>([
    ["another version", { v: 2 }],
    ["an unknown environment", { env: "test" }],
    ["an epoch of another length", { epoch: "A".repeat(21) }],
    ["padding", { epoch: `${"A".repeat(21)}=` }],
    ["unused bits that are set", { epoch: `${"A".repeat(21)}B` }],
    ["generation 0", { generation: 0 }],
    ["a generation that is not an integer", { generation: 1.5 }],
    ["a generation above the limit", { generation: INTEGER_MAX + 1 }],
    ["a negative minute", { from: -1 }],
    ["a fraction of a minute", { to: 1.5 }],
    ["a minute beyond four bytes", { to: 0x1_0000_0000 }],
    ["no store", { store: "" }],
    ["a store that is not ASCII", { store: "é" }],
    ["a member too many", { more: true }],
    ["too many bytes", { more: " ".repeat(1024) }],
  ])("with %s is refused", (_name, change) => {
    expect(readEpoch(writeMessage({ ...RECORD, ...change }), "dev")).toEqual({
      ok: false,
      reason: "malformed",
    });
  });

  it("that lacks a member, or has another spelling, is refused", () => {
    const { store: _, ...rest } = RECORD;
    expect(readEpoch(writeMessage(rest), "dev").ok).toBe(false);
    expect(readEpoch(Buffer.from(JSON.stringify(RECORD)), "dev").ok).toBe(false);
  });
});

describe("a sealer", () => {
  const written = (generation: number, epoch = OTHER) => writeEpoch({ ...RECORD, generation, epoch });

  it("applies a broadcast only with a higher generation", () => {
    const known = new KnownEpoch("dev");
    expect(known.record).toBeUndefined();
    known.hear(written(7, RECORD.epoch));
    for (const generation of [7, 6]) expect(known.hear(written(generation)).ok).toBe(true);
    expect(known.record).toEqual(RECORD);
    known.hear(written(8));
    expect(known.record).toMatchObject({ generation: 8, epoch: OTHER });
  });

  it("applies the answer to its own request whatever its generation, and then broadcasts above that", () => {
    const known = new KnownEpoch("dev");
    known.hear(written(7, RECORD.epoch));
    known.answered(written(3));
    expect(known.record).toMatchObject({ generation: 3, epoch: OTHER });
    known.hear(written(4, RECORD.epoch));
    expect(known.record).toMatchObject({ generation: 4, epoch: RECORD.epoch });
  });

  it("keeps its record when an invalid message comes", () => {
    const known = new KnownEpoch("prod");
    known.answered(writeEpoch({ ...RECORD, env: "prod" }));
    for (const data of [written(9), Buffer.from("{}"), new Uint8Array(0)]) {
      expect(known.hear(data).ok).toBe(false);
      expect(known.answered(data).ok).toBe(false);
    }
    expect(known.record).toMatchObject({ generation: 7 });
  });
});
