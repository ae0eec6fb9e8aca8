import { type AlertRule, groupsOf, renderRules } from "../render-rules.ts";
import { toYaml } from "../to-yaml.ts";
import type { AlertCase, AlertCases, CaseSeries, Firing } from "./alert-case.ts";
import { type Labels, SCRAPE_S } from "./series.ts";

/** A file for `promtool test rules`: these cases, against those rule files. */
export function renderPromtoolTest(cases: AlertCases, ruleFiles: readonly string[], head: string): string {
  return toYaml(
    {
      rule_files: ruleFiles,
      evaluation_interval: `${SCRAPE_S}s`,
      tests: Object.entries(cases).map(([name, one]) => promtoolCase(name, one)),
    },
    head,
  );
}

function promtoolCase(name: string, { alert, series, minutes, fires }: AlertCase): object {
  return {
    name,
    interval: `${SCRAPE_S}s`,
    input_series: series,
    promql_expr_test: fires === "never" ? [never(alert, minutes)] : firing(alert, minutes, fires),
    ...(fires !== "never" && fires.says !== undefined && { alert_rule_test: [sent(alert, minutes, fires)] }),
  };
}

/** Nothing has fired up to that time. */
function never(alert: string, minutes: number): object {
  return { expr: hasFired(alert, minutes, []), eval_time: time(minutes), exp_samples: [] };
}

function firing(alert: string, minutes: number, { labels, also = [], notBefore }: Firing): readonly object[] {
  const all = [labels, ...also];
  const expr = hasFired(alert, minutes, [...new Set(all.flatMap(Object.keys))]);
  const exp_samples = all.map((one) => ({ labels: selector(one), value: 1 }));
  return [
    ...(notBefore === undefined ? [] : [never(alert, notBefore)]),
    { expr, eval_time: time(minutes), exp_samples },
  ];
}

function selector(labels: Labels): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",")}}`;
}

function hasFired(alert: string, minutes: number, by: readonly string[]): string {
  const fired = `ALERTS{alertname="${alert}",alertstate="firing"}[${time(minutes)}]`;
  return `group by (${by.join(",")}) (count_over_time(${fired}))`;
}

/** The alert that Alertmanager gets. */
function sent(alert: string, minutes: number, { labels, says }: Firing): object {
  const rule = ourAlerts().find(
    (one) =>
      one.alert === alert &&
      Object.entries(one.labels).every(
        ([name, value]) => labels[name] === undefined || labels[name] === value,
      ),
  );
  const exp_labels = { ...rule?.labels, ...labels };
  const exp_annotations = { ...rule?.annotations, description: says };
  return { alertname: alert, eval_time: time(minutes), exp_alerts: [{ exp_labels, exp_annotations }] };
}

function ourAlerts(): readonly AlertRule[] {
  const groups = renderRules().flatMap(({ text }) => groupsOf(text));
  return groups.flatMap(({ rules }) => rules).filter((rule): rule is AlertRule => "alert" in rule);
}

function time(minutes: number): string {
  return `${minutes * 60}s`;
}

/** The same case for the runbook's rule. @throws Error for a case that the runbook's rule gets right */
export function asTheRunbookSees(one: AlertCase): AlertCase {
  if (one.runbookIsWrong === undefined) throw new Error("the runbook's rule is not said to be wrong");
  const series: readonly CaseSeries[] = one.runbookIsWrong === true ? one.series : one.runbookIsWrong;
  return { ...one, series };
}

/** An expression, and its expected values at that time, without labels. */
export interface PromtoolQuery {
  readonly expr: string;
  readonly minutes: number;
  readonly values: readonly number[];
}

/** A file for `promtool test rules`: these queries of that data, with the recordings of those rule files. */
export function renderPromtoolQueries(
  name: string,
  series: readonly CaseSeries[],
  queries: readonly PromtoolQuery[],
  ruleFiles: readonly string[],
): string {
  const tests = queries.map(({ expr, minutes, values }) => ({
    expr,
    eval_time: time(minutes),
    exp_samples: values.map((value) => ({ labels: "{}", value })),
  }));
  const test = { name, interval: `${SCRAPE_S}s`, input_series: series, promql_expr_test: tests };
  return toYaml({ rule_files: ruleFiles, evaluation_interval: `${SCRAPE_S}s`, tests: [test] }, name);
}
