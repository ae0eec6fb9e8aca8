import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { promDuration } from "./prom-duration.ts";
import { THRESHOLDS, type Thresholds } from "./thresholds.ts";
import { toYaml } from "./to-yaml.ts";

/** A file of rules: its path beside prometheus.yml (`rules/...`), and its text. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
}

/** A group of rules as Prometheus reads it; its rules run one after the other. */
export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly Rule[];
}

export type Rule = AlertRule | RecordingRule;

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<"summary" | "description" | "runbook", string>>;
}

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

const FOLDER = fileURLToPath(new URL("../../infra/prometheus/rules/", import.meta.url));

/**
 * The rules of infra/prometheus/rules. No file needs another one.
 * @param thresholds with shorter durations, every time in the rules is as much shorter: for tests
 */
export function renderRules(thresholds: Thresholds = THRESHOLDS): readonly RuleFile[] {
  const times = THRESHOLDS.durations.gcmForMs / thresholds.durations.gcmForMs;
  return readdirSync(FOLDER)
    .sort()
    .map((name) => {
      const text = readFileSync(`${FOLDER}${name}`, "utf8");
      return { path: `rules/${name}`, text: times === 1 ? text : shorten(text, times) };
    });
}

/** The series of a recorded measurement by provider. */
export interface RecordedSli {
  readonly value: string;
  /** Counts the samples of the value. */
  readonly samples: string;
}

/** Every recorded measurement, as the dashboard and the canary read it. Each value follows its number of samples. */
export function recordedSlis(thresholds: Thresholds): readonly RecordedSli[] {
  const text = renderRules(thresholds).find(({ path }) => path === "rules/recordings.yml")?.text ?? "";
  const names = groupsOf(text).flatMap(({ rules }) =>
    rules.flatMap((rule) => ("record" in rule ? rule.record : [])),
  );
  return Array.from({ length: names.length / 2 }, (_, index) => ({
    samples: names[2 * index] ?? "",
    value: names[2 * index + 1] ?? "",
  }));
}

/** The groups in the text of a rule file. */
export function groupsOf(text: string): readonly RuleGroup[] {
  return (parse(text) as { groups: RuleGroup[] }).groups;
}

function shorten(text: string, times: number): string {
  const groups = groupsOf(text).map((group) => ({
    ...group,
    rules: group.rules.map((rule) => shortenRule(rule, times)),
  }));
  return toYaml({ groups }, `infra/prometheus/rules with times that are ${times} times shorter.`);
}

function shortenRule(rule: Rule, times: number): Rule {
  const expr = rule.expr
    // [2m], [30m:5m]
    .replace(/\[(\w+)(?::(\w+))?\]/g, (_, range: string, step?: string) => {
      const shorter = [range, ...(step === undefined ? [] : [step])].map((it) => shortenTime(it, times));
      return `[${shorter.join(":")}]`;
    })
    .replace(/(?<=offset )\w+/g, (time) => shortenTime(time, times))
    .replace(/(?<=process_start_time_seconds < )\d+/g, (seconds) => String(Number(seconds) / times));
  if ("record" in rule) return { record: shortenName(rule.record, times), expr: shortenName(expr, times) };
  const { window } = rule.labels;
  const { description } = rule.annotations;
  return {
    ...rule,
    expr,
    for: shortenTime(rule.for, times),
    labels: { ...rule.labels, ...(window !== undefined && { window: shortenTime(window, times) }) },
    annotations: {
      ...rule.annotations,
      description: description.replace(/(?<= (?:in|within) )\d+[hms]/g, (time) => shortenTime(time, times)),
    },
  };
}

/** A recorded series has its window in its name: `provider:scbe_phase_skew_ms:p99_5m`. */
function shortenName(text: string, times: number): string {
  return text.replace(/(provider:\w+:\w+_)(\d+[hms])\b/g, (_, name: string, window: string) => {
    return `${name}${shortenTime(window, times)}`;
  });
}

const UNITS_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Rounds down, so that a window of a whole number of slots, less 1 ms, stays below that. */
function shortenTime(time: string, times: number): string {
  const parts = [...time.matchAll(/(\d+)(ms|[hms])/g)];
  const ms = parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (UNITS_MS[unit] ?? 0), 0);
  return promDuration(Math.floor(ms / times));
}
