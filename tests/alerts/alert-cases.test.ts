import { fileURLToPath } from "node:url";
import { createTempDir } from "@scbe/testkit";
import { afterAll, describe, expect, it } from "vitest";
import type { AlertCase } from "#monitoring/cases/alert-case.ts";
import { ALL_CASES } from "#monitoring/cases/all-cases.ts";
import { asTheRunbookSees } from "#monitoring/cases/render-promtool-test.ts";
import { renderRules } from "#monitoring/render-rules.ts";
import { judge, promtool, runPromtool } from "./monitoring-tools.ts";

/*
 * promtool runs all cases of a file at once, as an operator does: each has data, and the alerts that must have fired by some time. If the
 * runbook's own rule is wrong, the expectation fails by that rule and its opposite holds.
 */

const RUNBOOK = fileURLToPath(new URL("runbook-rules.yml", import.meta.url));
const COMMITTED = fileURLToPath(new URL("../../infra/prometheus/tests/", import.meta.url));

const dir = createTempDir();
afterAll(() => dir[Symbol.dispose]());
const rules = renderRules();
const cases = Object.entries(ALL_CASES).map(([name, one]) => ({ name, one }));

describe.skipIf(!promtool.ok)("the runbook's own rule fails:", () => {
  const wrong = cases.filter(({ one }) => one.runbookIsWrong !== undefined);

  it.each(wrong)("$name", ({ name, one }) => {
    const seen = asTheRunbookSees(one);
    const { ok, output } = judge(name, seen, [RUNBOOK], dir.path);
    expect({ ok, output }).toMatchObject({ ok: false, output: expect.stringContaining(one.alert) });
    expect(judge(name, opposite(seen), [RUNBOOK], dir.path)).toMatchObject({ ok: true });
  });
});

/** Expects the alert exactly if the case does not. */
function opposite(one: AlertCase): AlertCase {
  return { ...one, fires: one.fires === "never" ? { labels: {} } : "never" };
}

describe("the cases", () => {
  const alerts = [...new Set(rules.flatMap(({ text }) => text.match(/(?<=alert: )\S+/g) ?? []))];

  it("have every alert fire in one case, and stay silent in another if it can", () => {
    const has = (fires: boolean) =>
      alerts.filter((alert) =>
        cases.some(({ one }) => one.alert === alert && (one.fires !== "never") === fires),
      );
    expect(has(true)).toEqual(alerts);
    expect(has(false)).toEqual(alerts.filter((alert) => alert !== "Watchdog"));
  });

  it("assert the text of every alert", () => {
    const worded = cases.filter(({ one }) => one.fires !== "never" && one.fires.says !== undefined);
    expect([...new Set(worded.map(({ one }) => one.alert))]).toEqual(alerts);
  });

  it.skipIf(!promtool.ok).each(["critical-alerts.yml", "operations-alerts.yml"])(
    "pass with the rules of their own file only: %s",
    (file) => {
      const { ok, output } = runPromtool("test", "rules", COMMITTED + file);
      expect(ok, output).toBe(true);
    },
    120_000,
  );
});
