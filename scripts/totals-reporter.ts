import type { Reporter, TestModule, TestRunEndReason } from "vitest/node";

/** The last line of a test run, for machines: `N passed, N failed`. What could not be loaded or run counts as failed. */
export default class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const passed = tests.filter((test) => test.result().state === "passed").length;
    const failedTests = tests.filter((test) => test.result().state === "failed").length;
    const broken = modules.filter((module) => module.errors().length > 0).length;
    const failed = failedTests + broken + errors.length;
    const unexplained = reason === "passed" || failed > 0 ? 0 : 1;
    process.stdout.write(`${passed} passed, ${failed + unexplained} failed\n`);
  }
}
