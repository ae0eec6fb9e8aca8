import type { EpochRecord } from "@scbe/contracts";
import { expect, test } from "vitest";
import { minutesToLookAt, nextStep, QUIET_MS, type Situation, type Step } from "./next-step.ts";
import { eachMinute, minuteOf, minutesToMake } from "./times.ts";

const NOW = 30_000_000 * 60_000;
const TIMES = { windowMs: 300_000, limitMs: 600_000 };
const RECORD: EpochRecord = {
  v: 1,
  env: "dev",
  epoch: "AAAAAAAAAAAAAAAAAAAAAA",
  generation: 7,
  store: "store",
  ...minutesToMake(NOW, TIMES),
};
const GOOD: Situation = {
  stored: RECORD,
  seen: RECORD,
  sight: { usable: true, store: "store", present: new Set(eachMinute(RECORD)) },
  quietMs: 0,
  nowMs: NOW,
  times: TIMES,
};

/** The sight of a store without, or with, some buckets. */
function sight(
  store: string,
  missing: readonly number[] = [],
  more: readonly number[] = [],
): Situation["sight"] {
  const present = eachMinute(RECORD).filter((minute) => !missing.includes(minute));
  return { usable: true, store, present: new Set([...present, ...more]) };
}

test.each<[string, Partial<Situation>, Step]>([
  ["serves while record, store and buckets are as they must be", {}, { do: "serve" }],
  ["starts an epoch where there is no record", { stored: undefined }, { do: "start", why: "no-record" }],
  [
    "starts one when the record has a lower generation than one that was seen",
    { seen: { ...RECORD, generation: 8 } },
    { do: "start", why: "record-behind" },
  ],
  [
    "starts one when the record ends before a minute that was seen",
    { seen: { ...RECORD, to: RECORD.to + 1 } },
    { do: "start", why: "record-behind" },
  ],
  [
    "starts one when the record is another epoch of the same generation",
    { seen: { ...RECORD, epoch: "BBBBBBBBBBBBBBBBBBBBBA" } },
    { do: "start", why: "record-behind" },
  ],
  [
    "stands by on another store while others verify the record",
    { sight: sight("other") },
    { do: "stand-by", why: "other-store" },
  ],
  [
    "starts one on another store when nobody has verified the record for a second",
    { sight: sight("other"), quietMs: QUIET_MS },
    { do: "start", why: "other-store" },
  ],
  [
    "stands by when the record has no place for now, while others verify it",
    { nowMs: NOW + 86_400_000 },
    { do: "stand-by", why: "out-of-range" },
  ],
  [
    "starts one when the record has no place for now, and nobody verifies it",
    { nowMs: NOW - 86_400_000, quietMs: QUIET_MS },
    { do: "start", why: "out-of-range" },
  ],
  [
    "starts one when a bucket of now is missing",
    { sight: sight("store", [minuteOf(NOW)]) },
    { do: "start", why: "bucket-missing" },
  ],
  [
    "starts one when the oldest bucket that must be there is missing",
    { sight: sight("store", [RECORD.from]) },
    { do: "start", why: "bucket-missing" },
  ],
  [
    "serves when a bucket is missing that need not be there yet",
    { sight: sight("store", [RECORD.to]) },
    { do: "serve" },
  ],
  [
    "starts one when a bucket is there that the record does not know of",
    { sight: sight("store", [], [RECORD.to + 1]) },
    { do: "start", why: "bucket-beyond" },
  ],
  ["extends when a minute has gone by", { nowMs: NOW + 60_000 }, { do: "extend", to: RECORD.to + 1 }],
])("a guard %s", (_what, change, step) => {
  expect(nextStep({ ...GOOD, ...change })).toEqual(step);
});

test("a guard looks at every bucket that must be there, and at the one beyond the last", () => {
  const looked = minutesToLookAt(RECORD, NOW, TIMES);
  expect(looked).toContain(minuteOf(NOW));
  expect(looked.at(-1)).toBe(RECORD.to + 1);
  expect(minutesToLookAt(undefined, NOW, TIMES)).toEqual([]);
});
