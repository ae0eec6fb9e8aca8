import { eventually, type ReceivedWebhook, requireTool, type Sample } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { promDuration } from "#monitoring/prom-duration.ts";
import { shortened, THRESHOLDS } from "#monitoring/thresholds.ts";
import { type AlertStage, startAlertStage } from "./kit/alert-stage.ts";
import { WEBHOOK_PATH, WEBHOOK_TOKEN } from "./kit/start-watch.ts";

const missing = (["prometheus", "alertmanager"] as const).filter((name) => !requireTool(name).ok);

/** Every window, every `for` and the time between scrapes alike: what takes 30 s takes one here. */
const TIMES = 30;
const thresholds = shortened(THRESHOLDS, TIMES);
const { gcmWindowMs, skewWindowMs, skewForMs, verifyWindowMs, evaluationIntervalMs } = thresholds.durations;

/** What has to fire, for which provider, and how grave it is. */
const FIRING = [
  ["a share of forged envelopes", "SCBEGCMFailureRate", "forged", "critical"],
  ["forged envelopes that come again and again at low traffic", "SCBEGCMFailureRate", "dripping", "critical"],
  ["two envelopes under one session and counter", "SCBENonceReuse", "reused", "critical"],
  ["a gateway that has hardly any CPU", "SCBEHighLatency", "starved", "warning"],
  ["an orchestrator whose clock is seconds ahead", "SCBEPhaseSkew", "ahead", "warning"],
] as const;
const SUBJECTS_OF_ALERTS = FIRING.map(([, alertname, provider]) => `${alertname} ${provider}`);

let stage: AlertStage;
/** Evaluations of the rules before anything happened. */
let evaluationsBefore: number;

describe.skipIf(missing.length > 0)(`alerts over a running SCBE, ${TIMES} times as fast`, () => {
  beforeAll(async () => {
    const burstMs = 30_000 / TIMES;
    stage = await startAlertStage({ thresholds, burstMs, alertResendDelayMs: 60_000 / TIMES });
    evaluationsBefore = await evaluations();
    stage.begin();
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  test("data that ends before an alert fires ends the alert", async () => {
    const pending = () => query('ALERTS{alertname="SCBEGCMFailureRate",provider="vanishing"}');
    await eventually(async () => (await pending()).length > 0, { timeoutMs: 20_000, everyMs: 100 });
    await stage.vanishing.hide();
    await eventually(async () => (await pending()).length === 0, { timeoutMs: 20_000, everyMs: 100 });
  });

  test("the one that always fires arrives, with the controller's token", async () => {
    const { path, headers } = await stage.watch.controller.webhook(isAbout("Watchdog"));
    expect([path, headers.authorization]).toEqual([WEBHOOK_PATH, `Bearer ${WEBHOOK_TOKEN}`]);
  });

  test.each(FIRING)(
    "%s: %s fires for %s, and arrives in a group of its own",
    async (_, ...expected) => {
      const [alertname, provider, severity] = expected;
      const told = await stage.watch.controller.webhook(isAbout(alertname, provider), { timeoutMs: 60_000 });
      expect(told).toMatchObject({
        version: "4",
        receiver: "rollback-controller",
        status: "firing",
        groupLabels: { alertname, provider },
      });
      expect(told.alerts.length).toBeGreaterThan(0);
      for (const { status, labels, annotations } of told.alerts) {
        expect(status).toBe("firing");
        expect(labels).toMatchObject({ alertname, provider, severity, class: "safety" });
        expect(annotations.description).toContain(`provider ${provider}`);
      }
    },
    70_000,
  );

  test("nothing else fires, nor is told, in twice the longest time that an alert waits", async () => {
    const enough = evaluationsBefore + (2 * skewForMs) / evaluationIntervalMs;
    await eventually(async () => (await evaluations()) >= enough, { timeoutMs: 80_000, everyMs: 200 });
    const fired = await query('last_over_time(ALERTS{alertstate="firing",class="safety"}[10m])');
    expect(subjectsOf(fired)).toEqual(SUBJECTS_OF_ALERTS.toSorted());
    const told = stage.watch.controller.webhooks.flatMap(({ alerts }) => alerts);
    expect(subjectsOf(told)).toEqual([...SUBJECTS_OF_ALERTS, "Watchdog undefined"].toSorted());
  }, 90_000);

  test("bursts were seen by every alert that waits, and over before one fired", async () => {
    const ofBursts = (state: string) =>
      query(`last_over_time(ALERTS{alertstate="${state}",class="safety",provider=~"burst|choking"}[10m])`);
    const waiting = ["SCBEGCMFailureRate burst", "SCBEHighLatency choking", "SCBEPhaseSkew burst"];
    expect(subjectsOf(await ofBursts("pending"))).toEqual(expect.arrayContaining(waiting));
    expect(subjectsOf(await ofBursts("firing"))).toEqual([]);
  });

  test("whose data has ended is told as a target that is absent, to operators", async () => {
    const ofInstances = 'alertname="SCBETargetAbsent",severity="warning",alertstate="firing"';
    const absent = await query(`last_over_time(ALERTS{${ofInstances}}[10m])`);
    expect(absent.map(({ labels }) => labels.instance)).toContain(stage.vanishing.target);
  });

  test.each([
    ["one failure was counted", `${worst(GCM_FAILURES, "single", gcmWindowMs)} > 0.005`],
    [
      "an instance with hardly any traffic had a wrong clock",
      `${worst(SKEW_P99, "idle", skewWindowMs)} > 2000`,
    ],
    ["replays were refused", 'scbe_replay_rejects_count{provider="replayed"} > 3'],
    ["a provider that nobody asked has NaN for a quantile", isNaNFor(VERIFY_P99, "quiet", verifyWindowMs)],
  ])("what had to stay silent did happen: %s", async (_, expression) => {
    expect(await query(expression)).not.toEqual([]);
  });
});

/** The runbook's expressions, each instance for itself. */
const GCM_FAILURES = (range: string) => `rate(scbe_gcm_failures_total${range})`;
const SKEW_P99 = (range: string) => `histogram_quantile(0.99, rate(scbe_phase_skew_ms_bucket${range}))`;
const VERIFY_P99 = (range: string) =>
  `histogram_quantile(0.99, rate(scbe_envelope_verify_ms_bucket${range}))`;

type RunbookExpression = (range: string) => string;

/** The highest that it was. */
function worst(expression: RunbookExpression, provider: string, windowMs: number): string {
  const step = promDuration(evaluationIntervalMs);
  return `max_over_time((${expression(rangeOf(provider, windowMs))})[5m:${step}])`;
}

function isNaNFor(expression: RunbookExpression, provider: string, windowMs: number): string {
  const now = expression(rangeOf(provider, windowMs));
  return `(${now}) != (${now})`;
}

function rangeOf(provider: string, windowMs: number): string {
  return `{provider="${provider}"}[${promDuration(windowMs)}]`;
}

function query(expression: string): Promise<readonly Sample[]> {
  return stage.watch.prometheus.query(expression);
}

/** How often the rules were evaluated. */
async function evaluations(): Promise<number> {
  const [counted] = await query('count_over_time(ALERTS{alertname="Watchdog"}[10m])');
  return counted?.value ?? 0;
}

function isAbout(alertname: string, provider?: string): (webhook: ReceivedWebhook) => boolean {
  return ({ groupLabels }) => groupLabels.alertname === alertname && groupLabels.provider === provider;
}

/** The name and the provider of each, without those that come again. */
function subjectsOf(all: readonly Pick<Sample, "labels">[]): string[] {
  return [...new Set(all.map(({ labels: { alertname, provider } }) => `${alertname} ${provider}`))].sort();
}
