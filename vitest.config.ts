import { defineConfig } from "vitest/config";

/** Tests of the whole system, with many processes each: one file at a time, and none beside the others. */
const SYSTEM = "tests/**/*.test.ts";

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
        },
      },
      {
        extends: true,
        test: { name: "system", include: [SYSTEM], fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
