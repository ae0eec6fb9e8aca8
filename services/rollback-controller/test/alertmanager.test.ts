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
import { PAGERDUTY_TAKES, type PostReceiver, receivePosts, SLACK_TAKES } from "./receive-posts.ts";
import { PROVIDERS, type Stage, startStage } from "./rollback-stage.ts";

const missing = !requireTool("alertmanager").ok;
const KEY_OF_ALERTMANAGER = "of-alertmanager";
const SHIPPED = new URL("../../../infra/alertmanager/alertmanager.yml", import.meta.url);

describe.skipIf(missing)("with a real Alertmanager, by the routes that are shipped", () => {
  let nats: SecuredNats;
  let stage: Stage;
  let world: PostReceiver;
  let alertmanager: AlertmanagerServer;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    nats = stack.use(await startSecuredNats({ providers: [...PROVIDERS] }));
    world = stack.use(await receivePosts(SLACK_TAKES));
    stage = stack.use(
      await startStage({
        nats,
        config: { PAGERDUTY_INTEGRATION_KEY: "of-the-controller", PAGERDUTY_URL: `${world.url}/pagerduty` },
      }),
    );
    world.answer = async (response, post) => {
      if (post.path === "/pagerduty") return PAGERDUTY_TAKES(response, post);
      if (post.path !== "/webhooks/alertmanager") return SLACK_TAKES(response, post);
      const { status, body } = await stage.webhook.receive(post.body);
      response.writeHead(status).end(JSON.stringify(body));
    };
    alertmanager = stack.use(await startAlertmanager({ config: shippedConfig(writeSecrets()) }));
  });
  afterAll(() => stack.disposeAsync());

  /** The folder of Alertmanager's secrets. */
  function writeSecrets(): string {
    const { path } = stack.use(createTempDir());
    const secrets = {
      "scbe-alertmanager-token": "a token",
      "pagerduty-integration-key": KEY_OF_ALERTMANAGER,
      "slack-webhook-url": `${world.url}/slack`,
    };
    for (const [name, text] of Object.entries(secrets))
      writeFileSync(join(path, name), text, { mode: 0o600 });
    return path;
  }

  /** As it is shipped, but for where its secrets are and where everybody is. */
  function shippedConfig(secretsDir: string): string {
    return readFileSync(SHIPPED, "utf8")
      .replaceAll("/etc/alertmanager/secrets", secretsDir)
      .replace("http://rollback-controller:7100", world.url)
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
      mode: "fallback",
    });
    const key = own.body.dedup_key;
    await eventually(() => paged(KEY_OF_ALERTMANAGER).some(({ body }) => body.dedup_key === key));
  });

  test("one that is no trigger, and the end of one that is, kill nothing", async () => {
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

  test("the one that always fires is heard", async () => {
    await alertmanager.post([{ labels: { alertname: "Watchdog", severity: "none", class: "watchdog" } }]);
    await eventually(() => stage.webhook.lastWatchdogAgeMs() !== undefined);
  });
});
