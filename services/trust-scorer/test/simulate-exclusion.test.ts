import { expect, test } from "vitest";
import { apply } from "../src/domain/apply.ts";
import { W_AFTER_EXCLUSION } from "../src/domain/evidence.ts";
import { TRUST_DEFAULTS } from "../src/domain/trust-state.ts";
import { seeded, simulateExclusion } from "./simulate-exclusion.ts";
import { begin, eventOf, rowOf, START } from "./trust-story.ts";

test.each([
  { share: 0.5, first: 10, again: 6 },
  { share: 0.05, first: 100, again: 60 },
  { share: 0.01, first: 555, again: 328 },
  { share: 0.005, first: 1501, again: 934 },
])(
  "a provider that fails $share is excluded after about $first requests, and after an exclusion after about $again",
  (row) => {
    const [first, again] = [0, W_AFTER_EXCLUSION].map(
      (w) => simulateExclusion(row.share, w, 4000, seeded(7)).mean,
    );
    expect(Math.abs((first ?? 0) / row.first - 1)).toBeLessThan(0.08);
    expect(Math.abs((again ?? 0) / row.again - 1)).toBeLessThan(0.08);
  },
);

test("a provider that fails 0.1 %, which is fine, serves hundreds of thousands of requests before it is excluded", () => {
  const { mean } = simulateExclusion(0.001, 0, 1000, seeded(7));
  expect(mean).toBeGreaterThan(400_000);
  expect(mean).toBeLessThan(520_000);
});

test("the simulation equals the scorer, event by event", () => {
  const [RUNS, SHARE] = [300, 0.05];
  const random = seeded(3);
  let requests = 0;
  for (let run = 0; run < RUNS; run += 1) {
    let state = begin();
    while (rowOf(state).exclusions === 0) {
      const result = random() < SHARE ? "timeout" : "ok";
      const seq = state.stream.seq + 1;
      const event = eventOf({ kind: "outcome", result }, seq);
      state = apply(state, { seq, at: START + seq, event }, TRUST_DEFAULTS);
    }
    requests += state.stream.seq;
  }
  const simulated = simulateExclusion(SHARE, 0, 4000, seeded(5)).mean;
  expect(Math.abs(requests / RUNS / simulated - 1)).toBeLessThan(0.12);
});
