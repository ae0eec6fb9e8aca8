import { defineConfig } from "vitest/config";

/** Tests of the whole system, with many processes each. */
const SYSTEM = "tests/**/*.test.ts";
/** Those of them that measure times or memory, or look at all processes of a launcher: one file at a time, and nothing beside it. */
const ALONE = [
  "tests/alerts-live.test.ts",
  "tests/bench/**/*.test.ts",
  "tests/collectors.test.ts",
  "tests/kill-*.test.ts",
  "tests/leaks.test.ts",
  "tests/memory.test.ts",
  "tests/runbook.test.ts",
  "tests/scbe-production-acceptance.test.ts",
  "tests/system.test.ts",
  "tests/start.test.ts",
  "tests/start-standing.test.ts",
  "tests/tap.test.ts",
  "tests/trust-attackers.test.ts",
];
/** Of all others, which wait for most of their time, on however few cores. */
const TOGETHER = 2;

export default defineConfig({
  test: {
    reporters: ["default", "./scripts/totals-reporter.ts"],
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real servers on a shared machine: where nobody is there to look, one failure is tried again, and the report says so.
    retry: process.env.CI === undefined ? 0 : 1,
    projects: [
      {
        extends: true,
        test: {
          name: "parts",
          include: ["{packages,services,examples,scripts}/**/*.test.ts"],
          exclude: ["**/node_modules/**"],
          maxWorkers: TOGETHER,
        },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: [SYSTEM],
          exclude: ["**/node_modules/**", ...ALONE],
          maxWorkers: TOGETHER,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: "alone", include: ALONE, fileParallelism: false, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
