import { jcs, LATCH_TELLERS_MAX, type TrustDocument, UNKNOWN_PROVIDER, writeMessage } from "@scbe/contracts";
import { expect, test } from "vitest";
import { readTrustDocument, TRUST_DOCUMENT_BYTES_MAX } from "./read-trust-document.ts";

const CALIBRATION = { score: 1, reason: "\u0001".repeat(500), by: "\u0001".repeat(128), at: 1 };
const TIME = 9e15;
const LATCH = { since: TIME, event: "e".repeat(64), n: TIME };
const ROW = {
  ...{ w: 123_456.12345, samples: TIME, exclusions: TIME, exclusion: { since: TIME, until: TIME } },
  ...{ latch: LATCH, at: TIME },
};
/** As large as one can be. */
const LARGEST: TrustDocument = {
  v: 1,
  stream: { created: "2027-01-15T08:00:00Z", seq: 1 },
  providers: Object.fromEntries(
    Array.from({ length: 64 }, (_, index) => [
      `p${index}`.padEnd(64, "x"),
      {
        ...UNKNOWN_PROVIDER,
        calibration: CALIBRATION,
        tellers: Object.fromEntries([1, 2, 3, 4].map((n) => [`t${n}`.padEnd(64, "x"), ROW])),
        latch: {
          ...{ ...LATCH, cause: "bound_response_fails" },
          tellers: Array.from({ length: LATCH_TELLERS_MAX }, () => "t".padEnd(64, "x")),
        },
      },
    ]),
  ),
};

test("the largest document that there can be is read", () => {
  const bytes = writeMessage(LARGEST);
  expect(readTrustDocument(bytes)).toEqual(LARGEST);
});

test.each([
  ["none", "[]"],
  ["no JSON", "{"],
  ["of another version", jcs({ ...LARGEST, v: 2 })],
  ["more than a document", jcs({ ...LARGEST, more: 1 })],
  ["too large, whatever it says", `${jcs(LARGEST)}${" ".repeat(TRUST_DOCUMENT_BYTES_MAX)}`],
])("what is %s is not read", (_is, text) => {
  expect(readTrustDocument(Buffer.from(text))).toBeUndefined();
});
