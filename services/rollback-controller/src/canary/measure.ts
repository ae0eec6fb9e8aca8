import { cutText } from "@scbe/contracts";
import { type Evidence, type Measurement, SILENCES_MAX, TEXT_MAX } from "../domain/canary/canary-record.ts";
import { CRITERIA, type Criterion, fillIn } from "../domain/canary/criteria.ts";
import { silencedAlerts } from "../domain/canary/silenced-alerts.ts";
import type { Alertmanager } from "../edge/alertmanager.ts";
import type { Prometheus, QueryResult } from "../edge/prometheus.ts";

export interface MeasureOptions {
  /** `undefined`: the deployment has named none. */
  readonly prometheus: Prometheus | undefined;
  readonly alertmanager: Alertmanager | undefined;
  /** ms since the Watchdog alert last came; `undefined`: never. */
  readonly watchdogAgeMs: () => number | undefined;
  /** The alerts that can take a provider out of service. */
  readonly safetyAlerts: readonly string[];
}

/** What is measured: one provider, over the time since its step began. */
export interface Measured {
  readonly provider: string;
  /** ms since the Unix epoch, both */
  readonly since: number;
  readonly now: number;
}

export type Measure = (measured: Measured) => Promise<Evidence>;

const TIMEOUT_MS = 10_000;
/** A step that has not ended in a day is measured over its last day. */
const WINDOW_MAX_S = 86_400;

/** Gathers all that a step is decided by. Never throws; what is not known is a value. */
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

/** What is known of the world where nobody has looked. */
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
  const ask = async (text = ""): Promise<QueryResult> =>
    prometheus?.query(text, { timeoutMs: TIMEOUT_MS, at: now }) ?? {
      ok: false,
      reason: "PROMETHEUS_URL is not set",
    };
  const [value, samples] = await Promise.all([ask(expr), ask(samplesExpr)]);
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
