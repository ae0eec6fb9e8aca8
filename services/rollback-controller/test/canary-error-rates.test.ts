import { expect, test } from "vitest";
import { seeded, simulateSteps, simulateTest } from "./simulate-sequential-test.ts";

const RUNS = 4000;

test("the sequential test aborts at most 1 % of canaries that fail 0.1 %, and promotes at most 5 % of those that fail 0.5 %", () => {
  const [good, bad] = [0.001, 0.005].map((share) => simulateTest(share, RUNS, seeded(7)));
  // The simulated rates, with a margin for the limited number of runs.
  expect(good?.aborted).toBeLessThan(0.01 + 0.005);
  expect(bad?.promoted).toBeLessThan(0.05 + 0.01);
  // A test that never decides would make no errors either.
  expect(good?.promoted).toBeGreaterThan(0.98);
  expect(bad?.aborted).toBeGreaterThan(0.94);
});

test("a step of half an hour promotes fewer bad canaries than the test alone, and aborts no more good ones", () => {
  const [good, bad] = [0.001, 0.005].map((share) => simulateSteps(share, RUNS, seeded(7), { perSecond: 1 }));
  expect(good?.aborted).toBeLessThan(0.01 + 0.005);
  expect(bad?.promoted).toBeLessThan(0.01);
});

test("a canary that fails ten times too often is aborted within 500 requests", () => {
  expect(simulateTest(0.01, RUNS, seeded(7)).meanRequests).toBeLessThan(500);
});
