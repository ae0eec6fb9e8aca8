import { fileURLToPath } from "node:url";
import { createTempDir } from "@scbe/testkit";
import { afterAll, describe, expect, it } from "vitest";
import type { AlertCase } from "#monitoring/cases/alert-case.ts";
import { ALL_CASES } from "#monitoring/cases/all-cases.ts";
import { asTheRunbookSees } from "#monitoring/cases/render-promtool-test.ts";
import { renderRules } from "#monitoring/render-rules.ts";
import { judge, promtool, runPromtool } from "./monitoring-tools.ts";

/*
 * Every case goes through promtool, all of a file at once as an operator runs them: data in, and who must have been alerted by when. Where the runbook's own rule is wrong,
 * the same expectation is seen to fail by that rule, and its opposite to hold.
 */

const RUNBOOK = fileURLToPath(new URL("runbook-rules.yml", import.meta.url));
const COMMITTED = fileURLToPath(new URL("../../infra/prometheus/tests/", import.meta.url));

const dir = createTempDir();
afterAll(() => dir[Symbol.dispose]());
const rules = renderRules();
const cases = Object.entries(ALL_CASES).map(([name, one]) => ({ name, one }));

describe.skipIf(!promtool.ok)("by the runbook's rule that is not so:", () => {
  const wrong = cases.filter(({ one }) => one.runbookIsWrong !== undefined);

  it.each(wrong)("$name", ({ name, one }) => {
    const seen = asTheRunbookSees(one);
    const { ok, said } = judge(name, seen, [RUNBOOK], dir.path);
    expect({ ok, said }).toMatchObject({ ok: false, said: expect.stringContaining(one.alert) });
    expect(judge(name, opposite(seen), [RUNBOOK], dir.path)).toMatchObject({ ok: true });
  });
});

/** Fires where it must not, and the other way round. */
function opposite(one: AlertCase): AlertCase {
  return { ...one, fires: one.fires === "never" ? { labels: {} } : "never" };
}

describe("the cases", () => {
  const alerts = [...new Set(rules.flatMap(({ text }) => text.match(/(?<=alert: )\S+/g) ?? []))];

  it("have each alert fire, and each that can be silent be silent", () => {
    const has = (fires: boolean) =>
      alerts.filter((alert) =>
        cases.some(({ one }) => one.alert === alert && (one.fires !== "never") === fires),
      );
    expect(has(true)).toEqual(alerts);
    expect(has(false)).toEqual(alerts.filter((alert) => alert !== "Watchdog"));
  });

  it("hold the words that each alert is sent with", () => {
    const said = cases.filter(({ one }) => one.fires !== "never" && one.fires.says !== undefined);
    expect([...new Set(said.map(({ one }) => one.alert))]).toEqual(alerts);
  });

  it.skipIf(!promtool.ok).each(["critical-alerts.yml", "operations-alerts.yml"])(
    "hold, each by the file of rules that has its alert and no other: %s",
    (file) => {
      const { ok, said } = runPromtool("test", "rules", COMMITTED + file);
      expect(ok, said).toBe(true);
    },
    120_000,
  );
});
