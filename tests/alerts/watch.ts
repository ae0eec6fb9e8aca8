import {
  type AlertmanagerServer,
  eventually,
  type PrometheusServer,
  type Sample,
  startAlertmanager,
  startPrometheus,
} from "@scbe/testkit";
import type { ScrapeJob } from "#monitoring/jobs.ts";
import { promDuration } from "#monitoring/prom-duration.ts";
import {
  type AlertmanagerConfigOptions,
  renderAlertmanagerConfig,
} from "#monitoring/render-alertmanager-config.ts";
import { renderPrometheusConfig } from "#monitoring/render-prometheus-config.ts";
import { renderRules } from "#monitoring/render-rules.ts";
import type { Durations, Thresholds } from "#monitoring/thresholds.ts";
import type { ServiceProcess } from "../kit/service-process.ts";
import type { System } from "../kit/system.ts";

/** A real Prometheus with our rules, and a real Alertmanager with our routes. */
export interface Watch extends AsyncDisposable {
  readonly prometheus: PrometheusServer;
  readonly alertmanager: AlertmanagerServer;
}

export const WEBHOOK_PATH = "/webhooks/alertmanager";
const TOKEN_FILE = "token";

/** The rollback controller, or a stand-in for it. */
export interface AlertedController {
  /** The URL without a path. */
  readonly url: string;
  readonly token: string;
}

export interface WatchOptions {
  readonly thresholds: Thresholds;
  readonly targets: readonly ScrapeJob[];
  /** Receives Alertmanager's webhooks; default none. */
  readonly controller?: AlertedController;
  /** Alertmanager's times; default those of a deployment. */
  readonly routeTimes?: Pick<
    AlertmanagerConfigOptions,
    "safetyGroupIntervalMs" | "safetyRepeatIntervalMs" | "watchdogIntervalMs"
  >;
  /** The interval in which Prometheus sends a continuing alert again; default a minute. */
  readonly alertResendDelayMs?: number;
}

/** Starts both. Resolves when all targets are up. */
export async function startWatch({
  thresholds,
  targets,
  controller,
  routeTimes,
  ...options
}: WatchOptions): Promise<Watch> {
  await using stack = new AsyncDisposableStack();
  const alertmanager = stack.use(
    await startAlertmanager({
      config: renderAlertmanagerConfig({
        ...routeTimes,
        ...(controller && {
          webhookUrl: `${controller.url}${WEBHOOK_PATH}`,
          webhookTokenFile: TOKEN_FILE,
        }),
      }),
      files: controller ? [{ path: TOKEN_FILE, text: controller.token }] : [],
    }),
  );
  const { scrapeIntervalMs, evaluationIntervalMs } = thresholds.durations;
  const config = renderPrometheusConfig({
    scrapeIntervalS: scrapeIntervalMs / 1000,
    evaluationIntervalS: evaluationIntervalMs / 1000,
    ruleFiles: ["rules/*.yml"],
    targets,
    alertmanagers: [alertmanager.address],
  });
  const prometheus = stack.use(await startPrometheus({ ...options, config, files: renderRules(thresholds) }));
  await untilAllUp(prometheus, targets.flatMap((job) => job.targets).length);
  const held = stack.move();
  return { prometheus, alertmanager, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** The scrape targets of a system and its clients. */
export function scrapeJobsOf(
  { keyring, guards, envelope, controller, scorers }: System,
  clients: Readonly<Record<"gateways" | "orchestrators", readonly { readonly target: string }[]>>,
): ScrapeJob[] {
  const hostsOf = (services: readonly ServiceProcess[]) => services.map(({ opsUrl }) => new URL(opsUrl).host);
  return [
    { job: "keyring", targets: hostsOf([keyring]) },
    { job: "replay-guard", targets: hostsOf(guards) },
    { job: "envelope", targets: hostsOf(envelope === undefined ? [] : [envelope]) },
    { job: "rollback-controller", targets: hostsOf(controller === undefined ? [] : [controller]) },
    { job: "trust-scorer", targets: hostsOf(scorers) },
    { job: "gateway", targets: clients.gateways.map(({ target }) => target) },
    { job: "orchestrator", targets: clients.orchestrators.map(({ target }) => target) },
  ];
}

/** @throws Error with the state of the targets */
async function untilAllUp(prometheus: PrometheusServer, count: number): Promise<void> {
  const check = async (): Promise<true> => {
    const targets = await prometheus.targets();
    const up = targets.filter(({ health }) => health === "up");
    if (up.length === count) return true;
    throw new Error(`${up.length} of ${count} targets are up: ${JSON.stringify(targets)}`);
  };
  await eventually(check, { timeoutMs: 30_000, everyMs: 100 });
}

/** The distinct pairs of alert name and provider. */
export function subjectsOf(all: readonly Pick<Sample, "labels">[]): string[] {
  return [...new Set(all.map(({ labels: { alertname, provider } }) => `${alertname} ${provider}`))].sort();
}

/** The safety alerts that have been in that state, for any of the providers. */
export async function safetyAlerts(
  prometheus: PrometheusServer,
  state: "pending" | "firing",
  providers: readonly string[] = [".*"],
): Promise<string[]> {
  const meant = `alertstate="${state}",class="safety",provider=~"${providers.join("|")}"`;
  return subjectsOf(await prometheus.query(`last_over_time(ALERTS{${meant}}[10m])`));
}

type RunbookExpression = (range: string) => string;

/** The runbook's expressions, for each instance. */
const GCM_FAILURES: RunbookExpression = (range) => `rate(scbe_gcm_failures_total${range})`;
const SKEW_P99: RunbookExpression = (range) =>
  `histogram_quantile(0.99, rate(scbe_phase_skew_ms_bucket${range}))`;
const VERIFY_P99: RunbookExpression = (range) =>
  `histogram_quantile(0.99, rate(scbe_envelope_verify_ms_bucket${range}))`;

/** Conditions that must have occurred without an alert, as expressions with an empty result if they did not. */
export function quietConditions({
  gcmWindowMs,
  skewWindowMs,
  verifyWindowMs,
  evaluationIntervalMs,
}: Durations): readonly (readonly [what: string, expression: string])[] {
  /** The highest value. */
  const worst = (expression: RunbookExpression, provider: string, windowMs: number): string =>
    `max_over_time((${expression(rangeOf(provider, windowMs))})[5m:${promDuration(evaluationIntervalMs)}])`;
  const never = VERIFY_P99(rangeOf("quiet", verifyWindowMs));
  return [
    ["one failure was counted", `${worst(GCM_FAILURES, "single", gcmWindowMs)} > 0.005`],
    [
      "an instance with very little traffic had a wrong clock",
      `${worst(SKEW_P99, "idle", skewWindowMs)} > 2000`,
    ],
    ["a provider without requests has NaN for a quantile", `(${never}) != (${never})`],
  ];
}

function rangeOf(provider: string, windowMs: number): string {
  return `{provider="${provider}"}[${promDuration(windowMs)}]`;
}
