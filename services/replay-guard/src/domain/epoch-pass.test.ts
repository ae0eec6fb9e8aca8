import type { EpochRecord } from "@scbe/contracts";
import { expect, test } from "vitest";
import {
  type Answers,
  type Effect,
  EpochMemory,
  epochPass,
  isBehind,
  minutesToLookAt,
  nextStep,
  type PassOutcome,
  QUIET_MS,
  type Situation,
  type Step,
} from "./epoch-pass.ts";
import { eachMinute, minuteOf, minutesToMake } from "./times.ts";

const NOW = 30_000_000 * 60_000;
const TIMES = { windowMs: 300_000, limitMs: 600_000 };
const MINUTES = minutesToMake(NOW, TIMES);
const RECORD: EpochRecord = {
  v: 1,
  env: "dev",
  epoch: "AAAAAAAAAAAAAAAAAAAAAA",
  generation: 7,
  store: "store",
  ...MINUTES,
};

type Script = { [K in keyof Answers]?: Answers[K][] };

/** Drives a pass with prepared answers, and returns its effects. */
function drive(answers: Script, nowMs = NOW): { effects: Effect[]; outcome: PassOutcome | undefined } {
  const pass = epochPass({
    env: "dev",
    times: TIMES,
    memory: new EpochMemory(0),
    clock: { now: () => nowMs, monotonic: () => 5000 },
    drawEpoch: () => "NNNNNNNNNNNNNNNNNNNNNA",
  });
  const effects: Effect[] = [];
  let step = pass.next();
  while (!step.done) {
    effects.push(step.value);
    const prepared = answers[step.value.do];
    if (prepared === undefined || prepared.length === 0) return { effects, outcome: undefined };
    step = pass.next(prepared.shift() as Answers[Effect["do"]]);
  }
  return { effects, outcome: step.value };
}

const intact = { usable: true, store: "store", present: new Set(eachMinute(MINUTES)) } as const;
const stored = { record: RECORD, revision: 3 };

test("a new epoch gets its buckets before it is published", () => {
  const { effects, outcome } = drive({
    read: [undefined],
    look: [intact],
    make: [{ made: true, store: "store" }],
    write: [true],
  });
  expect(effects.map((effect) => effect.do)).toEqual(["read", "look", "make", "write"]);
  expect(effects[2]).toMatchObject({ buckets: { epoch: "NNNNNNNNNNNNNNNNNNNNNA" }, store: undefined });
  expect(outcome).toMatchObject({
    serve: true,
    started: "no-record",
    record: { generation: NOW, ...MINUTES },
  });
});

test("an epoch whose buckets could not all be made is never published", () => {
  const { effects } = drive({ read: [undefined], look: [intact], make: [{ made: false }] });
  expect(effects.map((effect) => effect.do)).toEqual(["read", "look", "make", "read"]);
});

test("a guard that loses the race takes the winner's record and makes no buckets for it", () => {
  const { effects, outcome } = drive({
    read: [undefined, stored],
    look: [intact, intact],
    make: [{ made: true, store: "store" }],
    write: [false],
  });
  expect(outcome).toEqual({ serve: true, record: RECORD });
  const made = effects.filter((effect) => effect.do === "make").map(({ buckets }) => buckets.epoch);
  expect(made).toEqual(["NNNNNNNNNNNNNNNNNNNNNA"]);
});

test("an extension raises the record's last minute first, and makes that minute alone, on the record's store", () => {
  const { effects } = drive(
    { read: [stored], look: [intact], write: [true], make: [{ made: true, store: "store" }] },
    NOW + 60_000,
  );
  const to = RECORD.to + 1;
  expect(effects[2]).toMatchObject({ do: "write", record: { ...RECORD, to }, revision: 3 });
  expect(effects[3]).toMatchObject({
    do: "make",
    buckets: { epoch: RECORD.epoch, buckets: [{ minute: to }] },
    store: "store",
  });
});

test("an extension that lost the compare-and-set makes no buckets", () => {
  const { effects } = drive({ read: [stored], look: [intact], write: [false] }, NOW + 60_000);
  expect(effects.map((effect) => effect.do)).toEqual(["read", "look", "write", "read"]);
});

test("an unusable store ends the pass", () => {
  const { outcome } = drive({ read: [stored], look: [{ usable: false, reason: "a replica" }] });
  expect(outcome).toEqual({ serve: false, why: "store", reason: "a replica" });
});

test("a generation is above every one that was seen, even if the clock is behind", () => {
  const ahead = { ...stored, record: { ...RECORD, generation: NOW * 2, store: "gone" } };
  const { outcome } = drive({
    read: [ahead],
    look: [intact],
    make: [{ made: true, store: "store" }],
    write: [true],
  });
  expect(outcome).toMatchObject({ serve: true, record: { generation: NOW * 2 + 1 } });
});

const GOOD: Situation = {
  stored: RECORD,
  seen: RECORD,
  sight: { usable: true, store: "store", present: new Set(eachMinute(RECORD)) },
  quietMs: 0,
  nowMs: NOW,
  times: TIMES,
};

/** The sight of a store, without some buckets or with more. */
function sight(
  store: string,
  missing: readonly number[] = [],
  more: readonly number[] = [],
): Situation["sight"] {
  const present = eachMinute(RECORD).filter((minute) => !missing.includes(minute));
  return { usable: true, store, present: new Set([...present, ...more]) };
}

test.each<[string, Partial<Situation>, Step]>([
  ["serves while record, store and buckets are intact", {}, { do: "serve" }],
  ["starts an epoch if there is no record", { stored: undefined }, { do: "start", why: "no-record" }],
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
    "starts one on another store when no guard has verified the record for a second",
    { sight: sight("other"), quietMs: QUIET_MS },
    { do: "start", why: "other-store" },
  ],
  [
    "stands by when the record does not cover now, while others verify it",
    { nowMs: NOW + 86_400_000 },
    { do: "stand-by", why: "out-of-range" },
  ],
  [
    "starts one when the record does not cover now, and no guard verifies it",
    { nowMs: NOW - 86_400_000, quietMs: QUIET_MS },
    { do: "start", why: "out-of-range" },
  ],
  [
    "starts one when the bucket of now is missing",
    { sight: sight("store", [minuteOf(NOW)]) },
    { do: "start", why: "bucket-missing" },
  ],
  [
    "starts one when the oldest required bucket is missing",
    { sight: sight("store", [RECORD.from]) },
    { do: "start", why: "bucket-missing" },
  ],
  [
    "serves when a bucket is missing that is not required yet",
    { sight: sight("store", [RECORD.to]) },
    { do: "serve" },
  ],
  [
    "starts one when a bucket exists beyond the record",
    { sight: sight("store", [], [RECORD.to + 1]) },
    { do: "start", why: "bucket-beyond" },
  ],
  ["extends when a minute has passed", { nowMs: NOW + 60_000 }, { do: "extend", to: RECORD.to + 1 }],
])("a guard %s", (_what, change, step) => {
  expect(nextStep({ ...GOOD, ...change })).toEqual(step);
});

test("a guard looks at every required bucket, and at the one beyond the last", () => {
  const looked = minutesToLookAt(RECORD, NOW, TIMES);
  expect(looked).toContain(minuteOf(NOW));
  expect(looked.at(-1)).toBe(RECORD.to + 1);
  expect(minutesToLookAt(undefined, NOW, TIMES)).toEqual([]);
});

const FIRST = { epoch: "first", generation: 5, to: 10 };
const SECOND = { epoch: "second", generation: 6, to: 3 };

test("the newest record is remembered, and older ones do not replace it", () => {
  const memory = new EpochMemory(0);
  for (const record of [FIRST, { ...FIRST, to: 12 }, { ...FIRST, to: 11 }]) memory.note(record);
  expect(memory.seen).toEqual({ ...FIRST, to: 12 });
  memory.note(SECOND);
  memory.note({ ...FIRST, to: 99 });
  expect(memory.seen).toEqual(SECOND);
});

test("an epoch is quiet since its last broadcast, or since this guard started", () => {
  const memory = new EpochMemory(1000);
  expect(memory.quietMs("first", 1500)).toBe(500);
  memory.hear(FIRST, 2000);
  memory.hear(SECOND, 2600);
  expect(memory.quietMs("first", 2700)).toBe(700);
  expect(memory.quietMs("second", 2700)).toBe(100);
});

test("a broadcast counts as seen, and the number of remembered broadcasts is bounded", () => {
  const memory = new EpochMemory(0);
  for (let generation = 1; generation <= 100; generation += 1) {
    memory.hear({ epoch: `epoch-${generation}`, generation, to: 1 }, generation);
  }
  expect(memory.seen?.generation).toBe(100);
  expect(memory.quietMs("epoch-1", 100)).toBe(100);
  expect(memory.quietMs("epoch-100", 100)).toBe(0);
});

test.each([
  ["a lower generation", { ...FIRST, generation: 4, to: 99 }, true],
  ["an earlier end", { ...FIRST, to: 9 }, true],
  ["another epoch of the same generation", { ...FIRST, epoch: "other" }, true],
  ["the same", FIRST, false],
  ["a later end", { ...FIRST, to: 11 }, false],
  ["a higher generation", SECOND, false],
])("a stored record with %s is behind what was seen: %#", (_what, stored, behind) => {
  expect(isBehind(stored, FIRST)).toBe(behind);
  expect(isBehind(stored, undefined)).toBe(false);
});
