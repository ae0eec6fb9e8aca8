import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AlertmanagerServer,
  createTempDir,
  eventually,
  requireTool,
  type SecuredNats,
  startAlertmanager,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WEBHOOK_BYTES_MAX } from "../src/alerts/read-webhook.ts";
import { ALERTS, startApi, type TestApi } from "./api-kit.ts";
import { PAGERDUTY_TAKES, type PostReceiver, receivePosts, SLACK_TAKES } from "./receive-posts.ts";
import { PROVIDERS, type Stage, startStage } from "./rollback-stage.ts";

const missing = !requireTool("alertmanager").ok;
/** One for each test of processed alerts. */
const OF_TESTS = ["groq", "google", "perplexity", "anthropic", "mistral"];
const KEY_OF_ALERTMANAGER = "of-alertmanager";
const SHIPPED = new URL("../../../infra/alertmanager/alertmanager.yml", import.meta.url);

describe.skipIf(missing)("with a real Alertmanager, by the routes that are shipped", () => {
  let nats: SecuredNats;
  let stage: Stage;
  let world: PostReceiver;
  let api: TestApi;
  let alertmanager: AlertmanagerServer;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    nats = stack.use(await startSecuredNats({ providers: [...PROVIDERS] }));
    world = stack.use(await receivePosts(SLACK_TAKES));
    stage = stack.use(
      await startStage({
        nats,
        config: {
          SCBE_PROVIDERS: [...PROVIDERS, ...OF_TESTS],
          PAGERDUTY_INTEGRATION_KEY: "of-the-controller",
          PAGERDUTY_URL: `${world.url}/pagerduty`,
        },
      }),
    );
    api = stack.use(await startApi({ webhook: stage.rollback.webhook, firings: stage.rollback.firings }));
    world.answer = (response, post) =>
      (post.path === "/pagerduty" ? PAGERDUTY_TAKES : SLACK_TAKES)(response, post);
    alertmanager = stack.use(await startAlertmanager({ config: shippedConfig(writeSecrets()) }));
  });
  afterAll(() => stack.disposeAsync());

  /** The folder of Alertmanager's secrets. */
  function writeSecrets(): string {
    const { path } = stack.use(createTempDir());
    const secrets = {
      "scbe-alertmanager-token": ALERTS,
      "pagerduty-integration-key": KEY_OF_ALERTMANAGER,
      "slack-webhook-url": `${world.url}/slack`,
    };
    for (const [name, text] of Object.entries(secrets))
      writeFileSync(join(path, name), text, { mode: 0o600 });
    return path;
  }

  /** The shipped configuration, with other paths of secrets, addresses, and a shorter wait for a group that changes. */
  function shippedConfig(secretsDir: string): string {
    return readFileSync(SHIPPED, "utf8")
      .replaceAll("/etc/alertmanager/secrets", secretsDir)
      .replace("http://rollback-controller:7100", api.url)
      .replaceAll("group_interval: 10s", "group_interval: 1s")
      .replace("global:\n", `global:\n  pagerduty_url: ${world.url}/pagerduty\n`);
  }

  const fire = (alertname: string, labels: Record<string, string> = {}, endsAt?: string) =>
    alertmanager.post([
      {
        labels: { alertname, severity: "critical", class: "safety", ...labels },
        ...(endsAt !== undefined && { endsAt }),
      },
    ]);
  const paged = (routingKey: string) =>
    world.posts.filter(({ path, body }) => path === "/pagerduty" && body.routing_key === routingKey);

  test.each([
    ["SCBEGCMFailureRate", "openai", "integrity openai"],
    ["SCBENonceReuse", "xai", "integrity all"],
    ["SCBEPhaseSkew", "xai", "availability xai"],
  ])(
    "%s of %s kills (%s), and the alert and the kill are one incident",
    async (alertname, provider, kill) => {
      await fire(alertname, { provider });
      await eventually(() => stage.plane.orders.some(({ by }) => by === `alert:${alertname}:${provider}`));
      const order = stage.plane.orders.find(({ by }) => by === `alert:${alertname}:${provider}`);
      expect(`${order?.cause} ${order?.provider ?? "all"}`).toBe(kill);
      const isOfAlert = (key: string) =>
        paged(KEY_OF_ALERTMANAGER).find(({ body }) => body.dedup_key === key);
      const own = await eventually(() =>
        paged("of-the-controller").find(({ body }) => body.payload?.custom_details.by === order?.by),
      );
      const theirs = await eventually(() => isOfAlert(own.body.dedup_key));
      expect(theirs.body.payload.summary).toContain(alertname);
    },
  );

  test("an alert of no provider kills everything, as the same incident", async () => {
    stage.plane.release();
    await fire("SCBEHighLatency");
    const own = await eventually(() =>
      paged("of-the-controller").find(
        ({ body }) => body.payload?.custom_details.by === "alert:SCBEHighLatency",
      ),
    );
    expect(own.body.payload.custom_details).toMatchObject({
      scope: "everything",
      cause: "availability",
      mode: "disabled",
    });
    const key = own.body.dedup_key;
    await eventually(() => paged(KEY_OF_ALERTMANAGER).some(({ body }) => body.dedup_key === key));
  });

  test("an alert that is no trigger, and the end of a trigger, kill nothing", async () => {
    const before = stage.plane.orders.length;
    await fire("SCBETrustDegraded");
    await eventually(
      async () => (await stage.metric("scbe_rollback_alerts_total", { result: "ignored" })) >= 1,
    );
    await fire("SCBEPhaseSkew", { provider: "xai" }, new Date(Date.now() - 1000).toISOString());
    await eventually(
      async () => (await stage.metric("scbe_rollback_alerts_total", { result: "resolved" })) >= 1,
      {
        timeoutMs: 25_000,
      },
    );
    expect(stage.plane.orders).toHaveLength(before);
  });

  /** Alerts of one group, sent at once. */
  const fireMany = (
    alertname: string,
    provider: string,
    { count, annotation }: { count: number; annotation: string },
  ) =>
    alertmanager.post(
      Array.from({ length: count }, (_, index) => ({
        labels: { alertname, provider, class: "safety", severity: "critical", instance: `${index}` },
        annotations: { description: annotation },
      })),
    );

  test.each([
    ["300 alerts with 900 bytes of text each", "SCBEHighLatency", "groq", 300, 900],
    ["1,001 small alerts", "SCBEPhaseSkew", "google", 1001, 10],
    ["one alert with a text of 300 KB", "SCBENonceReuse", "perplexity", 1, 300_000],
    ["one alert with more text than is read", "SCBEGCMFailureRate", "anthropic", 1, 2 * WEBHOOK_BYTES_MAX],
  ])("%s switch off their scope: %s of %s", async (_case, alertname, provider, count, bytes) => {
    await fireMany(alertname, provider, { count, annotation: "x".repeat(bytes) });
    const by = `alert:${alertname}:${provider}`;
    await eventually(() => stage.plane.orders.some((order) => order.by === by));
    expect(await stage.metric("scbe_rollback_webhooks_refused_total")).toBe(0);
    const expected = alertname === "SCBENonceReuse" ? undefined : provider;
    expect(stage.plane.orders.find((order) => order.by === by)?.provider).toBe(expected);
  });

  test("a released provider stays released while any replica of the alert fires, and is switched off when it fires anew", async () => {
    const provider = "mistral";
    const by = `alert:SCBEPhaseSkew:${provider}`;
    const kills = () => stage.plane.orders.filter((order) => order.by === by).length;
    const result = (name: string) => stage.metric("scbe_rollback_alerts_total", { result: name });
    const ended = () => new Date(Date.now() - 1000).toISOString();
    await fire("SCBEPhaseSkew", { provider, replica: "a" });
    await eventually(() => kills() === 1);
    stage.plane.release();
    await fire("SCBEPhaseSkew", { provider, replica: "b" });
    await eventually(async () => (await result("known")) >= 2);
    const resolved = await result("resolved");
    await fire("SCBEPhaseSkew", { provider, replica: "a" }, ended());
    await eventually(async () => (await result("resolved")) > resolved);
    expect([kills(), isListed(provider)]).toEqual([1, true]);
    await fire("SCBEPhaseSkew", { provider, replica: "b" }, ended());
    await eventually(() => !isListed(provider));
    expect(kills()).toBe(1);
    await fire("SCBEPhaseSkew", { provider, replica: "b" });
    await eventually(() => kills() === 2);
  });

  const isListed = (provider: string) =>
    stage.rollback.firings.list().some((row) => row.provider === provider);

  test("a post that the controller refuses is counted by its status", async () => {
    const refused = (status: string) => stage.metric("scbe_rollback_webhooks_refused_total", { status });
    expect((await api.ask("/webhooks/alertmanager", { token: ALERTS, body: "{" })).status).toBe(400);
    expect((await api.ask("/webhooks/alertmanager", { body: "{}" })).status).toBe(401);
    await eventually(async () => (await refused("400")) === 1 && (await refused("401")) === 1);
  });

  test("the alert that always fires arrives", async () => {
    await alertmanager.post([{ labels: { alertname: "Watchdog", severity: "none", class: "watchdog" } }]);
    await eventually(() => stage.webhook.lastWatchdogAgeMs() !== undefined);
  });
});

test("Alertmanager puts no more alerts of 5 KB into a post than the controller reads", () => {
  const [, maxAlerts] = /^ +max_alerts: (\d+)$/m.exec(readFileSync(SHIPPED, "utf8")) ?? [];
  expect(Number(maxAlerts)).toBeGreaterThan(0);
  expect(Number(maxAlerts) * 5000).toBeLessThan(WEBHOOK_BYTES_MAX);
});
