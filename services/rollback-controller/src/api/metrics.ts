import { ScbeError } from "@scbe/contracts";
import { z } from "zod";
import { type ApiPorts, apiRoute } from "./route.ts";

/** The time over which rates and quantiles are taken. */
const METRICS_WINDOW = "5m";

/** The runbook's signals by provider, each over all instances. */
const SECURITY_METRICS: readonly MetricQuery[] = [
  quantile("envelope_create_p95_ms", 0.95, "scbe_envelope_create_ms"),
  quantile("envelope_create_p99_ms", 0.99, "scbe_envelope_create_ms"),
  quantile("envelope_verify_p95_ms", 0.95, "scbe_envelope_verify_ms"),
  quantile("envelope_verify_p99_ms", 0.99, "scbe_envelope_verify_ms"),
  quantile("phase_skew_p99_ms", 0.99, "scbe_phase_skew_ms"),
  {
    name: "gcm_failure_share",
    expr: `${rate("scbe_gcm_failures_total")} / ${rate("scbe_gcm_attempts_total")}`,
  },
  { name: "gcm_failures", expr: increase("scbe_gcm_failures_total") },
  { name: "nonce_reuse", expr: increase("scbe_nonce_reuse_count") },
  { name: "replay_rejects", expr: increase("scbe_replay_rejects_count") },
  { name: "fail_to_noise", expr: increase("scbe_fail_to_noise_count") },
];

const SECURITY_EXPRS = Object.fromEntries(SECURITY_METRICS.map(({ name, expr }) => [name, expr]));

/** Requests of orchestrators that ended in the window. */
const REQUEST_EXPRS = {
  requests: increase("scbe_requests_total"),
  failed: increase('scbe_requests_total{result!~"ok|SWITCHED_OFF"}'),
  switchedOff: increase('scbe_requests_total{result="SWITCHED_OFF"}'),
} as const;

/** A value by provider, as PromQL. */
interface MetricQuery {
  readonly name: string;
  readonly expr: string;
}

function quantile(name: string, share: number, histogram: string): MetricQuery {
  const buckets = `sum by (le, provider) (rate(${histogram}_bucket[${METRICS_WINDOW}]))`;
  return { name, expr: `histogram_quantile(${share}, ${buckets})` };
}

function increase(counter: string): string {
  return `sum by (provider) (increase(${counter}[${METRICS_WINDOW}]))`;
}

function rate(counter: string): string {
  return `sum by (provider) (rate(${counter}[${METRICS_WINDOW}]))`;
}

const loadSecurityMetrics = shared(async (ports) => {
  const { values, unavailable } = await queryAll(ports, SECURITY_EXPRS);
  if (Object.keys(values).length === 0) throw prometheusAway(unavailable);
  const at = new Date(ports.clock.now()).toISOString();
  // In the order of the table, whichever answer arrived first.
  const metrics = Object.fromEntries(
    SECURITY_METRICS.flatMap(({ name }) => (values[name] ? [[name, values[name]]] : [])),
  );
  return { at, window: METRICS_WINDOW, metrics, unavailable };
});

/** `GET /api/dashboards/scbe-security/metrics` */
export const getSecurityMetrics = apiRoute({
  method: "GET",
  path: "/api/dashboards/scbe-security/metrics",
  summary: "The dashboard's figures by provider, from Prometheus",
  access: "open",
  answer: z
    .object({
      at: z.iso.datetime(),
      window: z.string(),
      metrics: z.record(z.string(), z.record(z.string(), z.number().nullable())),
      unavailable: z.record(z.string(), z.string()).describe("What Prometheus did not answer, and why"),
    })
    .meta({ id: "SecurityMetrics" }),
  refuses: [503],
  handle: (_call, ports) => loadSecurityMetrics(ports),
});

const Rate = z.object({
  requests: z.number().describe("Requests that ended"),
  failed: z.number().describe("Those that failed, without those that were switched off"),
  switched_off: z.number().describe("Those that the kill switch or a flag refused"),
  error_rate: z.number().nullable().describe("failed / requests, 0 to 1; null: there were none"),
  switched_off_rate: z.number().nullable().describe("switched_off / requests"),
});
type Rate = z.infer<typeof Rate>;

const ErrorRate = Rate.extend({ providers: z.record(z.string(), Rate) });

const loadErrorRate = shared(async (ports) => {
  const { values, unavailable } = await queryAll(ports, REQUEST_EXPRS);
  const { requests, failed, switchedOff } = values;
  if (!requests || !failed || !switchedOff) throw prometheusAway(unavailable);
  const at = new Date(ports.clock.now()).toISOString();
  return { at, window: METRICS_WINDOW, ...errorRate(requests, failed, switchedOff) };
});

/** `GET /api/metrics/error-rate` */
export const getErrorRate = apiRoute({
  method: "GET",
  path: "/api/metrics/error-rate",
  summary: "How much of the orchestrators' requests failed, from Prometheus",
  access: "open",
  answer: z
    .object({ at: z.iso.datetime(), window: z.string(), ...ErrorRate.shape })
    .meta({ id: "ErrorRate" }),
  refuses: [503],
  handle: (_call, ports) => loadErrorRate(ports),
});

/** Numbers by provider. */
type ByProvider = Readonly<Record<string, number | null>>;

/**
 * Shares of failed requests, of all and by provider. Requests that were switched off count apart: after a kill the errors must be seen to
 * end, although everything is refused.
 */
function errorRate(
  requests: ByProvider,
  failed: ByProvider,
  switchedOff: ByProvider,
): z.infer<typeof ErrorRate> {
  const names = Object.keys(requests).sort();
  const of = (name: string): Rate => rateOf(requests[name] ?? 0, failed[name] ?? 0, switchedOff[name] ?? 0);
  const sum = (values: ByProvider): number => names.reduce((total, name) => total + (values[name] ?? 0), 0);
  return {
    ...rateOf(sum(requests), sum(failed), sum(switchedOff)),
    providers: Object.fromEntries(names.map((name) => [name, of(name)])),
  };
}

function rateOf(requests: number, failed: number, switchedOff: number): Rate {
  const share = (count: number): number | null => (requests > 0 ? rounded(count / requests, 6) : null);
  return {
    requests: rounded(requests, 1),
    failed: rounded(failed, 1),
    switched_off: rounded(switchedOff, 1),
    error_rate: share(failed),
    switched_off_rate: share(switchedOff),
  };
}

/** Prometheus extrapolates an increase to the whole window, so most of its digits mean nothing. */
function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Shorter than the timeouts of HTTP clients. */
const TIMEOUT_MS = 2000;

/** The values of each expression by provider, or why there are none. @throws ScbeError NOT_READY without a Prometheus */
async function queryAll(
  { prometheus }: Pick<ApiPorts, "prometheus">,
  exprs: Readonly<Record<string, string>>,
): Promise<{ readonly values: Record<string, ByProvider>; readonly unavailable: Record<string, string> }> {
  if (prometheus === undefined)
    throw new ScbeError(
      "NOT_READY",
      "PROMETHEUS_URL is not set at this controller, so there are no metrics to show",
    );
  const values: Record<string, ByProvider> = {};
  const unavailable: Record<string, string> = {};
  const queries = Object.entries(exprs).map(async ([name, expr]) => {
    const result = await prometheus.query(expr, { timeoutMs: TIMEOUT_MS });
    if (!result.ok) unavailable[name] = result.reason;
    else
      values[name] = Object.fromEntries(
        result.samples.map(({ labels, value }) => [
          labels.provider ?? "all",
          Number.isFinite(value) ? value : null,
        ]),
      );
  });
  await Promise.all(queries);
  return { values, unavailable };
}

/** 503 with the reason that Prometheus or the connection to it gave. */
function prometheusAway(unavailable: Readonly<Record<string, string>>): ScbeError {
  const reason = Object.values(unavailable)[0] ?? "no answer";
  return new ScbeError("NOT_READY", `Prometheus does not answer: ${reason}`);
}

/** Scraped values are no newer than this. */
const FRESH_MS = 1000;

/** Requests at about the same time share one answer, so that an open route cannot keep Prometheus busy. */
function shared<T>(load: (ports: ApiPorts) => Promise<T>): (ports: ApiPorts) => Promise<T> {
  const held = new WeakMap<ApiPorts, { readonly at: number; readonly answer: Promise<T> }>();
  return (ports) => {
    const now = ports.clock.monotonic();
    const found = held.get(ports);
    if (found !== undefined && now - found.at < FRESH_MS) return found.answer;
    const answer = load(ports);
    held.set(ports, { at: now, answer });
    return answer;
  };
}
