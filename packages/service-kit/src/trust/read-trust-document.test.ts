import { type TrustDocument, UNKNOWN_PROVIDER } from "@scbe/contracts";
import { expect, test } from "vitest";
import { readTrustDocument, TRUST_DOCUMENT_BYTES_MAX } from "./read-trust-document.ts";

const CALIBRATION = { score: 1, reason: "\u0001".repeat(500), by: "\u0001".repeat(128), at: 1 };
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
        latch: { cause: "nonce_reuse", since: 1, event: "e".repeat(64) },
      },
    ]),
  ),
};

test("the largest document that there can be is read", () => {
  const bytes = Buffer.from(JSON.stringify(LARGEST));
  expect(readTrustDocument(bytes)).toEqual(LARGEST);
});

test.each([
  ["none", "[]"],
  ["no JSON", "{"],
  ["of another version", JSON.stringify({ ...LARGEST, v: 2 })],
  ["more than a document", JSON.stringify({ ...LARGEST, more: 1 })],
  ["too large, whatever it says", `${JSON.stringify(LARGEST)}${" ".repeat(TRUST_DOCUMENT_BYTES_MAX)}`],
])("what is %s is not read", (_is, text) => {
  expect(readTrustDocument(Buffer.from(text))).toBeUndefined();
});
