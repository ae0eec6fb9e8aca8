import {
  eventually,
  type ReceivedWebhook,
  receiveWebhooks,
  requireTool,
  type Sample,
  type WebhookReceiver,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shortened, THRESHOLDS } from "#monitoring/thresholds.ts";
import type { CauseName } from "./alert-causes.ts";
import { type AlertStage, startAlertStage } from "./alert-stage.ts";
import { quietConditions, safetyAlerts, subjectsOf, WEBHOOK_PATH } from "./watch.ts";

const missing = (["prometheus", "alertmanager"] as const).filter((name) => !requireTool(name).ok);

/** Shortens every window, every `for` and the scrape interval: 30 s become one. */
const TIMES = 30;
const thresholds = shortened(THRESHOLDS, TIMES);
const { skewForMs, evaluationIntervalMs } = thresholds.durations;
const WEBHOOK_TOKEN = "a token for the tests";

const CAUSES: readonly CauseName[] = [
  "forged",
  "dripping",
  "reused",
  "starved",
  "ahead",
  "single",
  "burst",
  "choking",
  "idle",
  "replayed",
  "vanishing",
];

/** The alerts that must fire, with provider and severity. */
const FIRING = [
  ["a share of forged envelopes", "SCBEGCMFailureRate", "forged", "critical"],
  ["forged envelopes that come again and again at low traffic", "SCBEGCMFailureRate", "dripping", "critical"],
  ["two envelopes under one session and counter", "SCBENonceReuse", "reused", "critical"],
  ["a gateway that has hardly any CPU", "SCBEHighLatency", "starved", "warning"],
  ["an orchestrator whose clock is seconds ahead", "SCBEPhaseSkew", "ahead", "warning"],
] as const;
const SUBJECTS_OF_ALERTS = FIRING.map(([, alertname, provider]) => `${alertname} ${provider}`);

let controller: WebhookReceiver;
let stage: AlertStage;
/** The number of rule evaluations before the causes begin. */
let evaluationsBefore: number;

describe.skipIf(missing.length > 0)(`alerts over a running SCBE, ${TIMES} times as fast`, () => {
  beforeAll(async () => {
    controller = await receiveWebhooks();
    stage = await startAlertStage({
      causes: CAUSES,
      thresholds,
      controller: { url: controller.url, token: WEBHOOK_TOKEN },
      burstMs: 30_000 / TIMES,
      alertResendDelayMs: 60_000 / TIMES,
    });
    evaluationsBefore = await evaluations();
    stage.begin(...CAUSES);
  }, 120_000);
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
    await controller?.[Symbol.asyncDispose]();
  });

  test("data that ends before an alert fires ends the alert", async () => {
    const pending = () => query('ALERTS{alertname="SCBEGCMFailureRate",provider="vanishing"}');
    await eventually(async () => (await pending()).length > 0, { timeoutMs: 20_000, everyMs: 100 });
    await stage.gateway("vanishing").hide();
    await eventually(async () => (await pending()).length === 0, { timeoutMs: 20_000, everyMs: 100 });
  });

  test("the Watchdog arrives, with the controller's token", async () => {
    const { path, headers } = await controller.webhook(isAbout("Watchdog"));
    expect([path, headers.authorization]).toEqual([WEBHOOK_PATH, `Bearer ${WEBHOOK_TOKEN}`]);
  });

  test.each(FIRING)(
    "%s: %s fires for %s, and arrives in its own group",
    async (_, ...expected) => {
      const [alertname, provider, severity] = expected;
      const webhook = await controller.webhook(isAbout(alertname, provider), { timeoutMs: 60_000 });
      expect(webhook).toMatchObject({
        version: "4",
        receiver: "rollback-controller",
        status: "firing",
        groupLabels: { alertname, provider },
      });
      expect(webhook.alerts.length).toBeGreaterThan(0);
      for (const { status, labels, annotations } of webhook.alerts) {
        expect(status).toBe("firing");
        expect(labels).toMatchObject({ alertname, provider, severity, class: "safety" });
        expect(annotations.description).toContain(`provider ${provider}`);
      }
    },
    70_000,
  );

  test("no other alert fires or is sent, in twice the longest `for`", async () => {
    const target = evaluationsBefore + (2 * skewForMs) / evaluationIntervalMs;
    await eventually(async () => (await evaluations()) >= target, { timeoutMs: 80_000, everyMs: 200 });
    expect(await safetyAlerts(stage.watch.prometheus, "firing")).toEqual(SUBJECTS_OF_ALERTS.toSorted());
    const alerts = controller.webhooks.flatMap(({ alerts }) => alerts);
    expect(subjectsOf(alerts)).toEqual([...SUBJECTS_OF_ALERTS, "Watchdog undefined"].toSorted());
  }, 90_000);

  test("every alert with a `for` was pending in a burst, and none of them fired", async () => {
    const bursts = (state: "pending" | "firing") =>
      safetyAlerts(stage.watch.prometheus, state, ["burst", "choking"]);
    const waiting = ["SCBEGCMFailureRate burst", "SCBEHighLatency choking", "SCBEPhaseSkew burst"];
    expect(await bursts("pending")).toEqual(expect.arrayContaining(waiting));
    expect(await bursts("firing")).toEqual([]);
  });

  test("a target whose data has ended is reported to operators as absent", async () => {
    const ofInstances = 'alertname="SCBETargetAbsent",severity="warning",alertstate="firing"';
    const absent = await query(`last_over_time(ALERTS{${ofInstances}}[10m])`);
    expect(absent.map(({ labels }) => labels.instance)).toContain(stage.gateway("vanishing").target);
  });

  test.each([
    ...quietConditions(thresholds.durations),
    ["replays were refused", 'scbe_replay_rejects_count{provider="replayed"} > 3'] as const,
  ])("what had to stay silent did happen: %s", async (_, expression) => {
    expect(await query(expression)).not.toEqual([]);
  });
});

function query(expression: string): Promise<readonly Sample[]> {
  return stage.watch.prometheus.query(expression);
}

/** The number of rule evaluations. */
async function evaluations(): Promise<number> {
  const [counted] = await query('count_over_time(ALERTS{alertname="Watchdog"}[10m])');
  return counted?.value ?? 0;
}

function isAbout(alertname: string, provider?: string): (webhook: ReceivedWebhook) => boolean {
  return ({ groupLabels }) => groupLabels.alertname === alertname && groupLabels.provider === provider;
}
