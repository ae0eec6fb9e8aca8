import { receiveWebhooks } from "@scbe/testkit";
import { describe, expect, it } from "vitest";
import { startAlertmanager } from "./alertmanager.ts";
import { requireTool } from "./find-tool.ts";

const alertmanager = requireTool("alertmanager");

describe.skipIf(!alertmanager.ok)("an Alertmanager", () => {
  it("posts alerts to a webhook in their group, with the token of a file beside its configuration", async () => {
    await using receiver = await receiveWebhooks();
    const config = configFor(`${receiver.url}/here`);
    await using server = await startAlertmanager({ config, files: [{ path: "token", text: "a-token" }] });
    await server.post([
      { labels: { alertname: "One", provider: "openai", instance: "a" } },
      { labels: { alertname: "One", provider: "openai", instance: "b" } },
      { labels: { alertname: "One", provider: "groq", instance: "a" } },
    ]);
    const posted = await receiver.webhook(({ groupLabels }) => groupLabels.provider === "openai");
    expect(posted).toMatchObject({
      path: "/here",
      receiver: "hook",
      status: "firing",
      groupLabels: { alertname: "One", provider: "openai" },
    });
    expect(posted.headers.authorization).toBe("Bearer a-token");
    expect(posted.alerts.map(({ labels }) => labels.instance).sort()).toEqual(["a", "b"]);
    expect(await server.groups()).toMatchObject([
      { labels: { provider: "groq" }, receiver: { name: "hook" } },
      { labels: { provider: "openai" }, receiver: { name: "hook" } },
    ]);
  });

  it("that cannot start reports why", async () => {
    await expect(startAlertmanager({ config: "nonsense: true" })).rejects.toThrow(
      /did not start[\s\S]*nonsense/,
    );
  });
});

describe("a receiver of webhooks", () => {
  it("reports what came when the expected webhook does not come", async () => {
    await using receiver = await receiveWebhooks();
    const body = JSON.stringify({
      receiver: "r",
      status: "firing",
      alerts: [{ labels: { alertname: "A" } }],
    });
    await fetch(receiver.url, { method: "POST", body });
    await expect(receiver.webhook(() => false, { timeoutMs: 50 })).rejects.toThrow(/only .*"alertname":"A"/);
  });
});

function configFor(url: string): string {
  return `route: { receiver: hook, group_by: [alertname, provider], group_wait: 200ms, group_interval: 1s }
receivers:
  - name: hook
    webhook_configs:
      - { url: "${url}", http_config: { authorization: { type: Bearer, credentials_file: token } } }`;
}
