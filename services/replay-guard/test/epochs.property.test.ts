import { EPOCH_ENDS } from "@scbe/contracts";
import { expect, test } from "vitest";
import { ALL_RULES, type Rules, run } from "./model.ts";

const EVENTS = 400;
const RUNS = 1500;
const RUNS_MAX = 5000;

test("no envelope is admitted twice, under any faults of guards, stores and KV", () => {
  const ended = new Map<string, number>();
  let [admitted, extended] = [0, 0];
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const report = run(seed, EVENTS, ALL_RULES);
    expect(report.admittedTwice, `admitted twice in the run of seed ${seed}`).toBeUndefined();
    admitted += report.admitted;
    extended += report.extended;
    for (const [why, count] of report.ended) ended.set(why, (ended.get(why) ?? 0) + count);
  }
  // The runs must admit, extend, and reach every end of an epoch, or the test proves nothing.
  expect(admitted).toBeGreaterThan(10 * RUNS);
  expect(extended).toBeGreaterThan(RUNS);
  for (const why of EPOCH_ENDS) expect(ended.get(why), why).toBeGreaterThan(0);
});

test.each<[rule: string, name: keyof Rules]>([
  ["the check that a server is the record's store", "storeCheck"],
  ["the rule that no guard makes buckets for an epoch that was read", "noBucketsForReadEpoch"],
  ["the compare-and-set of an extension", "extensionCas"],
  ["the rule that a record that is behind ends the epoch", "recordBehind"],
])("the same runs admit an envelope twice without %s", (_rule, name) => {
  const rules = { ...ALL_RULES, [name]: false };
  let seed = 1;
  while (seed <= RUNS_MAX && run(seed, EVENTS, rules).admittedTwice === undefined) seed += 1;
  expect(seed).toBeLessThanOrEqual(RUNS_MAX);
});
