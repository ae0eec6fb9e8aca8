import { defineConfig } from "vitest/config";

/** Tests of the whole system, with many processes each. */
const SYSTEM = "tests/**/*.test.ts";
/** Tests that measure times or memory, or look at all processes of a launcher. They run one file at a time, after all others. */
const ALONE = [
  "tests/acceptance/runbook.test.ts",
  "tests/access/listener.test.ts",
  "tests/alerts/alerts-live.test.ts",
  "tests/bench/**/*.test.ts",
  "tests/kill/*.test.ts",
  "tests/launcher/*.test.ts",
  "tests/requests/{memory,system}.test.ts",
  "tests/scbe-production-acceptance.test.ts",
  "tests/traces/{collectors,leaks}.test.ts",
  "tests/trust/attackers.test.ts",
];
/** All other tests mostly wait, so two files run at once even on one core. */
const TOGETHER = 2;

export default defineConfig({
  test: {
    reporters: ["default", "./scripts/totals-reporter.ts"],
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real servers on a shared machine: CI tries a failed test once more, and the report says so.
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
