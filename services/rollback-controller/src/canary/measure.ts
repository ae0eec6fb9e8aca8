import { cutText } from "@scbe/contracts";
import type { Alertmanager } from "../edge/alertmanager.ts";
import type { Prometheus, QueryResult } from "../edge/prometheus.ts";
import { CRITERIA, type Criterion, fillIn } from "./criteria.ts";
import { type Evidence, type Measurement, SILENCES_MAX, TEXT_MAX } from "./record.ts";

export interface MeasureOptions {
  /** `undefined`: not configured; likewise below. */
  readonly prometheus: Prometheus | undefined;
  readonly alertmanager: Alertmanager | undefined;
  /** ms since the last Watchdog alert; `undefined`: there was none. */
  readonly watchdogAgeMs: () => number | undefined;
  /** The alerts that can take a provider out of service. */
  readonly safetyAlerts: readonly string[];
}

/** The provider to measure, and the begin and end of the window. */
export interface Measured {
  readonly provider: string;
  /** ms since the Unix epoch, both */
  readonly since: number;
  readonly now: number;
}

export type Measure = (measured: Measured) => Promise<Evidence>;

const TIMEOUT_MS = 10_000;
/** After a day, a step is measured over its last day. */
const WINDOW_MAX_S = 86_400;

/** Gathers the evidence for a decision. Never throws: a value that cannot be read is evidence too. */
export function measureWith(options: MeasureOptions): Measure {
  return async ({ provider, since, now }) => {
    const windowS = Math.min(WINDOW_MAX_S, Math.max(1, Math.ceil((now - since) / 1000)));
    const [silences, ...measurements] = await Promise.all([
      readSilences(options, provider),
      ...CRITERIA.map((criterion) => measureOne(options.prometheus, criterion, { provider, windowS, now })),
    ]);
    const watchdog = options.watchdogAgeMs() ?? null;
    return { window_s: windowS, measurements, silences, watchdog_age_ms: watchdog, killed: null };
  };
}

/** The evidence without any measurement. */
export const NOT_MEASURED: Evidence = {
  window_s: 0,
  measurements: [],
  silences: { ok: false, reason: "not asked" },
  watchdog_age_ms: null,
  killed: null,
};

async function measureOne(
  prometheus: Prometheus | undefined,
  { name, judge, atOnce = false, limit, samplesMin, ...criterion }: Criterion,
  { provider, windowS, now }: { provider: string; windowS: number; now: number },
): Promise<Measurement> {
  const [expr, samplesExpr] = [criterion.expr, criterion.samplesExpr].map((it) =>
    fillIn(it, provider, windowS),
  );
  const query = async (text = ""): Promise<QueryResult> =>
    prometheus?.query(text, { timeoutMs: TIMEOUT_MS, at: now }) ?? {
      ok: false,
      reason: "PROMETHEUS_URL is not set",
    };
  const [value, samples] = await Promise.all([query(expr), query(samplesExpr)]);
  const error = errorOf(value) ?? errorOf(samples);
  return {
    ...{ name, judge, at_once: atOnce, limit, samples_min: samplesMin },
    ...{
      expr: expr ?? "",
      value: numberIn(value),
      samples_expr: samplesExpr ?? "",
      samples: numberIn(samples),
    },
    ...(error !== undefined && { error: cutText(error, TEXT_MAX) }),
  };
}

function errorOf(result: QueryResult): string | undefined {
  if (!result.ok) return result.reason;
  return result.samples.length > 1 ? `${result.samples.length} series, where one was expected` : undefined;
}

function numberIn(result: QueryResult): Measurement["value"] {
  const [sample] = result.ok ? result.samples : [];
  if (sample === undefined) return null;
  return Number.isFinite(sample.value) ? sample.value : "NaN";
}

async function readSilences(
  { alertmanager, safetyAlerts }: MeasureOptions,
  provider: string,
): Promise<Evidence["silences"]> {
  if (alertmanager === undefined) return { ok: false, reason: "ALERTMANAGER_URL is not set" };
  const result = await alertmanager.activeSilences({ timeoutMs: TIMEOUT_MS });
  if (!result.ok) return result;
  const over = result.silences
    .map(({ id, matchers }) => ({
      id,
      alerts: [...silencedAlerts(matchers, { alerts: safetyAlerts, provider })],
    }))
    .filter(({ alerts }) => alerts.length > 0);
  return { ok: true, over: over.slice(0, SILENCES_MAX) };
}

/** A matcher of a silence in Alertmanager's API. */
export interface Matcher {
  readonly name: string;
  readonly value: string;
  readonly isRegex: boolean;
  readonly isEqual: boolean;
}

/**
 * The alerts of a provider that a silence with these matchers may hide. A label whose value is unknown here counts as matched, and so does an
 * expression beyond names and `.*`: if in doubt, the alert is silenced.
 */
export function silencedAlerts(
  matchers: readonly Matcher[],
  { alerts, provider }: { readonly alerts: readonly string[]; readonly provider: string },
): readonly string[] {
  return alerts.filter((alertname) => {
    const labels: Readonly<Record<string, string>> = { alertname, class: "safety", provider };
    return matchers.every((matcher) => mayMatch(matcher, labels));
  });
}

function mayMatch(
  { name, value, isRegex, isEqual }: Matcher,
  labels: Readonly<Record<string, string>>,
): boolean {
  const label = Object.hasOwn(labels, name) ? labels[name] : undefined;
  if (label === undefined) return true;
  const found = isRegex ? matchesNames(value, label) : value === label;
  return found === undefined || found === isEqual;
}

/** Never runs a foreign expression, which could take forever. `undefined`: not decidable by names. */
function matchesNames(pattern: string, label: string): boolean | undefined {
  const names = pattern.split("|").map((name) => /^([\w-]*)(\.[*+])?$/.exec(name));
  if (names.includes(null)) return undefined;
  return names.some((found) => {
    const [, name = "", more] = found ?? [];
    return more === undefined ? name === label : label.startsWith(name);
  });
}
