import { describe, expect, test } from "vitest";
import { countFailures, restartPauseMs, STEADY_MS } from "./backoff.ts";

describe("the pause before a restart", () => {
  test("doubles from a quarter of a second, and ends at ten seconds", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 100, 5000].map(restartPauseMs)).toEqual([
      250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000,
    ]);
  });
});

describe("failures in a row", () => {
  test("are counted while no run lasts", () => {
    expect(countFailures(0, 10)).toBe(1);
    expect(countFailures(4, STEADY_MS - 1)).toBe(5);
  });

  test("begin anew after a run that lasted", () => {
    expect(countFailures(4, STEADY_MS)).toBe(1);
  });
});
