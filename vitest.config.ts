import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{packages,services,examples,scripts,tests}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/.toolchain/**", "**/.cache/**"],
    reporters: ["default", "./scripts/totals-reporter.ts"],
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
