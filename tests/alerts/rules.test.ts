import { readFileSync } from "node:fs";
import { METRICS } from "@scbe/contracts";
import { createTempDir } from "@scbe/testkit";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { CaseSeries } from "#monitoring/cases/alert-case.ts";
import { openerOf } from "#monitoring/cases/envelope-histograms.ts";
import { type PromtoolQuery, renderPromtoolQueries } from "#monitoring/cases/render-promtool-test.ts";
import { eachScrape, everyMinute, nothing } from "#monitoring/cases/series.ts";
import { dashboardQueries } from "#monitoring/dashboard/dashboard-queries.ts";
import { type AlertRule, type RuleGroup, recordedSlis, renderRules } from "#monitoring/render-rules.ts";
import { shortened, THRESHOLDS } from "#monitoring/thresholds.ts";
import { promtool, runPromtool, writeFiles } from "./monitoring-tools.ts";

const dir = createTempDir();
afterAll(() => dir[Symbol.dispose]());

const groupsOf = (text: string): readonly RuleGroup[] => (parse(text) as { groups: RuleGroup[] }).groups;
const alertsOf = (text: string): readonly AlertRule[] =>
  groupsOf(text)
    .flatMap(({ rules }) => rules)
    .filter((rule): rule is AlertRule => "alert" in rule);
const ours = renderRules().flatMap(({ text }) => groupsOf(text));
const runbook = alertsOf(readFileSync(new URL("runbook-rules.yml", import.meta.url), "utf8"));

describe("the critical alerts", () => {
  const critical = ours.find(({ name }) => name === "scbe_critical_alerts")?.rules as readonly AlertRule[];

  it("have the runbook's names, severities and summaries, and are safety alerts", () => {
    const named = critical.map(({ alert, labels, annotations }) => [
      alert,
      labels.severity,
      annotations.summary,
    ]);
    const wanted = runbook.map(({ alert, labels, annotations }) => [
      alert,
      labels.severity,
      annotations.summary,
    ]);
    expect(Object.fromEntries(named.map((one) => [one[0], one]))).toEqual(
      Object.fromEntries(wanted.map((one) => [one[0], one])),
    );
    expect(critical.filter(({ labels }) => labels.class !== "safety")).toEqual([]);
  });

  it("begin their descriptions like the runbook, and say what to check", () => {
    const start = (text: string) => text.slice(0, text.indexOf("{{"));
    for (const { alert, annotations } of critical) {
      const theirs = runbook.find((rule) => rule.alert === alert)?.annotations.description ?? "";
      expect(start(theirs).length).toBeGreaterThan(5);
      expect(annotations.description.startsWith(start(theirs))).toBe(true);
      expect(annotations.runbook.length).toBeGreaterThan(30);
    }
  });
});

describe.skipIf(!promtool.ok)("the rule files", () => {
  it.each([
    ["as they are", THRESHOLDS],
    ["thirty times as fast", shortened(THRESHOLDS, 30)],
  ])("are accepted by promtool %s", (_, thresholds) => {
    const files = writeFiles(dir.path, renderRules(thresholds));
    expect(files.length).toBeGreaterThan(2);
    expect(runPromtool("check", "rules", ...files)).toMatchObject({ ok: true });
  });

  it("record nothing without measurements, where the runbook's query is NaN", () => {
    const hasNaN = (expr: string) => `count((${expr}) != (${expr}))`;
    expectQueries("an opener that idles", openerOf(nothing), [
      ...recorded.map(({ value }) => ({ expr: `count(${value})`, minutes: 20, values: [] })),
      ...recorded.map(({ samples }) => ({ expr: `sum(${samples})`, minutes: 20, values: [0] })),
      {
        expr: hasNaN("histogram_quantile(0.99, rate(scbe_envelope_verify_ms_bucket[5m]))"),
        minutes: 20,
        values: [1],
      },
    ]);
  });

  it("record only the number of samples if there are too few", () => {
    expectQueries("an opener with a request a minute", openerOf(everyMinute(1)), [
      ...recorded.map(({ value }) => ({ expr: `count(${value})`, minutes: 20, values: [] })),
      ...recorded.map(({ samples }) => ({ expr: `count(${samples} > 0 < 20)`, minutes: 20, values: [1] })),
    ]);
  });

  it("record the measurements over all instances", () => {
    const both = [...openerOf(eachScrape(100), "a:1"), ...openerOf(eachScrape(300), "b:1")];
    expectQueries("two openers at work", both, [
      { expr: "sum(provider:scbe_gcm_failures:share_2m)", minutes: 20, values: [1] },
      { expr: "sum(provider:scbe_gcm_attempts:increase_2m)", minutes: 20, values: [3200] },
      { expr: "round(sum(provider:scbe_envelope_verify_ms:p99_2m), 0.1)", minutes: 20, values: [99.5] },
      { expr: "sum(provider:scbe_envelope_verify_ms:samples_2m)", minutes: 20, values: [3200] },
    ]);
  });
});

/** The recordings about {@link openerOf}. */
const recorded = recordedSlis(THRESHOLDS).filter(({ value }) => /gcm|verify/.test(value));

function expectQueries(name: string, data: readonly CaseSeries[], queries: readonly PromtoolQuery[]): void {
  const files = writeFiles(dir.path, renderRules());
  const text = renderPromtoolQueries(name, data, queries, files);
  const [file = ""] = writeFiles(dir.path, [{ path: "queries.yml", text }]);
  expect(runPromtool("test", "rules", file)).toMatchObject({ ok: true });
}

describe("limits and durations", () => {
  const { durations, limits } = THRESHOLDS;
  const windows = Object.entries(durations).filter(([name]) => name.endsWith("WindowMs"));

  it("leave every window at least four scrapes", () => {
    expect(windows.length).toBeGreaterThan(4);
    expect(windows.filter(([, ms]) => ms < 4 * durations.scrapeIntervalMs)).toEqual([]);
    const { scrapeIntervalMs, ...others } = shortened(THRESHOLDS, 30).durations;
    const shorter = Object.entries(others).filter(([name]) => name.endsWith("WindowMs"));
    expect(shorter.filter(([, ms]) => ms < 4 * scrapeIntervalMs)).toEqual([]);
  });

  it("have a burst leave the window before an alert fires", () => {
    expect(durations.gcmWindowMs).toBeLessThan(durations.gcmForMs);
    expect(durations.verifyWindowMs).toBeLessThan(durations.verifyForMs);
    expect(durations.skewWindowMs).toBeLessThan(durations.skewForMs);
  });

  it("split the long window of failures into whole slots, more than the number that has to fail", () => {
    expect(durations.gcmLowTrafficWindowMs % durations.gcmLowTrafficSlotMs).toBe(0);
    const slots = durations.gcmLowTrafficWindowMs / durations.gcmLowTrafficSlotMs;
    expect(slots).toBeGreaterThan(limits.gcmLowTrafficSlotsMin);
    expect(limits.gcmLowTrafficSlotsMin).toBeGreaterThan(2);
  });

  it.each([
    ["scbe_envelope_verify_ms", limits.verifyP99MaxMs, limits.canaryEnvelopeP99MaxMs],
    ["scbe_envelope_create_ms", limits.canaryEnvelopeP99MaxMs, limits.canaryEnvelopeP99MaxMs],
    ["scbe_phase_skew_ms", limits.skewP99MaxMs, limits.canarySkewP99MaxMs],
  ] as const)("of %s are bounds of its histogram, which has higher bounds too", (name, alert, canary) => {
    const named: readonly number[] = [alert, canary];
    const { bounds } = METRICS[name] as { readonly bounds: readonly number[] };
    expect(bounds).toEqual(expect.arrayContaining([...named]));
    expect(bounds.at(-1)).toBeGreaterThanOrEqual(2 * Math.max(...named));
  });
});

describe("every queried metric", () => {
  const OTHERS =
    /^(up|ALERTS|process_start_time_seconds|nodejs_eventloop_lag_p99_seconds|scbe_trust_score(_avg)?)$/;
  const recorded = recordedSlis(THRESHOLDS).flatMap(({ value, samples }) => [value, samples]);
  const known = (name: string) =>
    OTHERS.test(name) ||
    recorded.includes(name) ||
    name.replace(/_(bucket|count|sum)$/, "") in METRICS ||
    name in METRICS;
  const namesIn = (expr: string) =>
    expr
      .replace(/"[^"]*"/g, "")
      .match(/(?<![\w:])(provider:\S+?:\w+|scbe_\w+|up|ALERTS|process_\w+|nodejs_\w+)/g) ?? [];

  it.each([
    ["rules", ours.flatMap(({ rules }) => rules.map(({ expr }) => expr))],
    ["the dashboard", dashboardQueries().map(({ expr }) => expr)],
  ])("by %s is one of ours or of the runtime", (_, expressions) => {
    const names = expressions.flatMap(namesIn);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !known(name))).toEqual([]);
  });
});
