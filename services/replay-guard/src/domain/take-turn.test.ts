import { expect, test } from "vitest";
import { EpochMemory } from "./epoch-memory.ts";
import { type Answers, type Effect, type TurnOutcome, takeTurn } from "./take-turn.ts";
import { eachMinute, minutesToMake } from "./times.ts";

const NOW = 30_000_000 * 60_000;
const TIMES = { windowMs: 300_000, limitMs: 600_000 };
const MINUTES = minutesToMake(NOW, TIMES);
const RECORD = {
  v: 1,
  env: "dev",
  epoch: "AAAAAAAAAAAAAAAAAAAAAA",
  generation: 7,
  store: "store",
  ...MINUTES,
} as const;

type Script = { [K in keyof Answers]?: Answers[K][] };

/** Drives a turn with prepared answers, and tells what it asked for. */
function drive(answers: Script, nowMs = NOW): { effects: Effect[]; outcome: TurnOutcome | undefined } {
  const turn = takeTurn({
    env: "dev",
    times: TIMES,
    memory: new EpochMemory(0),
    clock: { now: () => nowMs, monotonic: () => 5000 },
    drawEpoch: () => "NNNNNNNNNNNNNNNNNNNNNA",
  });
  const effects: Effect[] = [];
  let step = turn.next();
  while (!step.done) {
    effects.push(step.value);
    const prepared = answers[step.value.do];
    if (prepared === undefined || prepared.length === 0) return { effects, outcome: undefined };
    step = turn.next(prepared.shift() as Answers[Effect["do"]]);
  }
  return { effects, outcome: step.value };
}

const intact = { usable: true, store: "store", present: new Set(eachMinute(MINUTES)) } as const;
const stored = { record: RECORD, revision: 3 };

test("a new epoch gets its buckets before anybody can know of it", () => {
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

test("who loses the race takes the winner's record and makes nothing for it", () => {
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

test("an extension that was lost makes nothing", () => {
  const { effects } = drive({ read: [stored], look: [intact], write: [false] }, NOW + 60_000);
  expect(effects.map((effect) => effect.do)).toEqual(["read", "look", "write", "read"]);
});

test("a store that cannot be used ends the turn", () => {
  const { outcome } = drive({ read: [stored], look: [{ usable: false, reason: "a replica" }] });
  expect(outcome).toEqual({ serve: false, why: "store", reason: "a replica" });
});

test("a generation is above every one that was seen, though the clock is behind", () => {
  const ahead = { ...stored, record: { ...RECORD, generation: NOW * 2, store: "gone" } };
  const { outcome } = drive({
    read: [ahead],
    look: [intact],
    make: [{ made: true, store: "store" }],
    write: [true],
  });
  expect(outcome).toMatchObject({ serve: true, record: { generation: NOW * 2 + 1 } });
});
