import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeAdmitTraces, encodeAdmitTraces } from "./admit-traces.ts";
import { ADMIT_BATCH_MAX } from "./replay.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((it) => it.join(""));
const traceparent = fc.tuple(hex(32), hex(16)).map(([trace, span]) => `00-${trace}-${span}-01`);

describe("the traces of an admit batch", () => {
  test("come back at their places, whichever items have one", () => {
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

  test("are no header at all when no item has one", () => {
    expect(encodeAdmitTraces([undefined, undefined])).toBeUndefined();
    expect(decodeAdmitTraces(undefined, 2).size).toBe(0);
  });

  test.each([
    ["beyond the batch", `2=${TRACEPARENT}`],
    ["without a place", TRACEPARENT],
    ["of another version", `0=${TRACEPARENT.replace(/^00/, "01")}`],
    ["in upper case", `0=${TRACEPARENT.toUpperCase()}`],
    ["longer than any batch's", `${`0=${TRACEPARENT},`.repeat(ADMIT_BATCH_MAX + 10)}`],
  ])("are left out when they are %s", (_, header) => {
    expect(decodeAdmitTraces(header, 2).size).toBe(0);
  });

  test("are read beside those that are malformed", () => {
    expect([...decodeAdmitTraces(`x,1=${TRACEPARENT},9=${TRACEPARENT}`, 2)]).toEqual([[1, TRACEPARENT]]);
  });
});
