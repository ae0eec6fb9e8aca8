import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  ADMIT_BATCH_MAX,
  ADMIT_ITEM_BYTES,
  type AdmitItem,
  type AdmitVerdict,
  decodeAdmitBatch,
  decodeAdmitTraces,
  decodeVerdicts,
  encodeAdmitBatch,
  encodeAdmitTraces,
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
  it("is read as written, item by item", () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 20 }), (items) => {
        const read = decodeAdmitBatch(encodeAdmitBatch(items));
        expect(read.map(plain)).toEqual(items.map(plain));
      }),
    );
  });

  it("is read the same at any offset of a larger buffer", () => {
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

  it("can be as long as the limit", () => {
    expect(decodeAdmitBatch(new Uint8Array(ADMIT_ITEM_BYTES * ADMIT_BATCH_MAX))).toHaveLength(
      ADMIT_BATCH_MAX,
    );
  });
});

describe("verdicts", () => {
  it("are read as written", () => {
    fc.assert(
      fc.property(fc.array(verdict, { maxLength: 50 }), (verdicts) => {
        expect(decodeVerdicts(encodeVerdicts(verdicts), verdicts.length)).toEqual(verdicts);
      }),
    );
  });

  it("are all refusals if there are too few or too many", () => {
    const two = encodeVerdicts(["fresh", "fresh"]);
    expect(decodeVerdicts(two, 1)).toEqual(["refused"]);
    expect(decodeVerdicts(two, 3)).toEqual(["refused", "refused", "refused"]);
    expect(decodeVerdicts(new Uint8Array(0), 1)).toEqual(["refused"]);
  });

  it("are fresh for one byte value only", () => {
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

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((it) => it.join(""));
const traceparent = fc.tuple(hex(32), hex(16)).map(([trace, span]) => `00-${trace}-${span}-01`);

describe("the traces of an admit batch", () => {
  test("are decoded by index, whichever items have one", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(traceparent, { nil: undefined }), { maxLength: ADMIT_BATCH_MAX }),
        (traces) => {
          const decoded = decodeAdmitTraces(encodeAdmitTraces(traces), traces.length);
          expect(traces.map((_, index) => decoded.get(index))).toEqual(traces);
        },
      ),
    );
  });

  test("are no header if no item has one", () => {
    expect(encodeAdmitTraces([undefined, undefined])).toBeUndefined();
    expect(decodeAdmitTraces(undefined, 2).size).toBe(0);
  });

  test.each([
    ["beyond the batch", `2=${TRACEPARENT}`],
    ["without an index", TRACEPARENT],
    ["of another version", `0=${TRACEPARENT.replace(/^00/, "01")}`],
    ["in upper case", `0=${TRACEPARENT.toUpperCase()}`],
    ["longer than any batch's", `${`0=${TRACEPARENT},`.repeat(ADMIT_BATCH_MAX + 10)}`],
  ])("that are %s are left out", (_, header) => {
    expect(decodeAdmitTraces(header, 2).size).toBe(0);
  });

  test("are read beside malformed ones", () => {
    expect([...decodeAdmitTraces(`x,1=${TRACEPARENT},9=${TRACEPARENT}`, 2)]).toEqual([[1, TRACEPARENT]]);
  });
});
