import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ADMIT_BATCH_MAX,
  ADMIT_ITEM_BYTES,
  type AdmitItem,
  type AdmitVerdict,
  decodeAdmitBatch,
  decodeVerdicts,
  encodeAdmitBatch,
  encodeVerdicts,
} from "./replay.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const item: fc.Arbitrary<AdmitItem> = fc.record({
  epoch: bytes(16),
  sessionId: bytes(32),
  counter: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  replayNonce: bytes(24),
  tag: bytes(16),
  attempt: bytes(16),
});
const verdict = fc.constantFrom<AdmitVerdict>("fresh", "replay", "reuse", "refused");

describe("an admit batch", () => {
  it("reads as what was written, item by item", () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 20 }), (items) => {
        const read = decodeAdmitBatch(encodeAdmitBatch(items));
        expect(read.map(plain)).toEqual(items.map(plain));
      }),
    );
  });

  it("reads alike wherever in a larger buffer it lies", () => {
    const [one] = fc.sample(item, 1) as [AdmitItem];
    const encoded = encodeAdmitBatch([one]);
    const larger = new Uint8Array(encoded.length + 7);
    larger.set(encoded, 5);
    expect(decodeAdmitBatch(larger.subarray(5, 5 + encoded.length)).map(plain)).toEqual([plain(one)]);
  });

  it.each([
    ["no item", 0],
    ["part of an item", ADMIT_ITEM_BYTES - 1],
    ["a byte too many", ADMIT_ITEM_BYTES + 1],
    ["more items than the limit", ADMIT_ITEM_BYTES * (ADMIT_BATCH_MAX + 1)],
  ])("of %s is refused as a whole", (_name, length) => {
    expect(() => decodeAdmitBatch(new Uint8Array(length))).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    );
  });

  it("may be as long as the limit", () => {
    expect(decodeAdmitBatch(new Uint8Array(ADMIT_ITEM_BYTES * ADMIT_BATCH_MAX))).toHaveLength(
      ADMIT_BATCH_MAX,
    );
  });
});

describe("verdicts", () => {
  it("read as what was written", () => {
    fc.assert(
      fc.property(fc.array(verdict, { maxLength: 50 }), (verdicts) => {
        expect(decodeVerdicts(encodeVerdicts(verdicts), verdicts.length)).toEqual(verdicts);
      }),
    );
  });

  it("are all refusals when there are too few or too many of them", () => {
    const two = encodeVerdicts(["fresh", "fresh"]);
    expect(decodeVerdicts(two, 1)).toEqual(["refused"]);
    expect(decodeVerdicts(two, 3)).toEqual(["refused", "refused", "refused"]);
    expect(decodeVerdicts(new Uint8Array(0), 1)).toEqual(["refused"]);
  });

  it("are fresh for no byte but its own", () => {
    const fresh = Array.from({ length: 256 }, (_, byte) => decodeVerdicts(Uint8Array.of(byte), 1)[0]).filter(
      (read) => read === "fresh",
    );
    expect(fresh).toHaveLength(1);
  });
});

function plain(one: AdmitItem): object {
  return Object.fromEntries(
    Object.entries(one).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
    ]),
  );
}
