import type { TrustDocument } from "@scbe/contracts";
import { expect, test } from "vitest";
import { hasApplied } from "./trust-service.ts";

const at = (seq: number, created = "monday"): TrustDocument => ({
  v: 1,
  stream: { created, seq },
  providers: {},
});
const BEFORE = at(900);

test.each([
  ["nothing is held", 1, undefined, undefined, false],
  ["the first document is behind", 2, at(1), undefined, false],
  ["the first document has it", 2, at(2), undefined, true],
  ["what is held was held before", 1, BEFORE, BEFORE, false],
  ["what is held is of a stream that was made anew", 1, at(1, "tuesday"), BEFORE, true],
  ["what is held has other events only", 902, at(901), BEFORE, false],
])("%s: whether event %i is applied", (_is, seq, held, before, applied) => {
  expect(hasApplied(seq, { held, before })).toBe(applied);
});
