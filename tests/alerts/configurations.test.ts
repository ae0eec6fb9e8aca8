import { fileURLToPath } from "node:url";
import { config } from "@scbe/rollback-controller/config";
import { defineConfig, readConfig } from "@scbe/runtime";
import { createTempDir } from "@scbe/testkit";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { JOBS } from "#monitoring/jobs.ts";
import { promDuration } from "#monitoring/prom-duration.ts";
import { renderAlertmanagerConfig } from "#monitoring/render-alertmanager-config.ts";
import { renderPrometheusConfig } from "#monitoring/render-prometheus-config.ts";
import { renderRules } from "#monitoring/render-rules.ts";
import { amtool, promtool, runAmtool, runPromtool, writeFiles } from "./monitoring-tools.ts";

const infra = (path: string) => fileURLToPath(new URL(`../../infra/${path}`, import.meta.url));
const dir = createTempDir();
afterAll(() => dir[Symbol.dispose]());

describe("prometheus.yml", () => {
  it.skipIf(!promtool.ok)("is accepted by promtool as committed, with its rules", () => {
    const { ok, output } = runPromtool("check", "config", infra("prometheus/prometheus.yml"));
    expect({ ok, output }).toMatchObject({ ok: true, output: expect.stringContaining("3 rule files found") });
  });

  it.skipIf(!promtool.ok)("is accepted by promtool with other targets, and without an Alertmanager", () => {
    writeFiles(dir.path, renderRules());
    const text = renderPrometheusConfig({
      scrapeIntervalS: 0.5,
      evaluationIntervalS: 1,
      ruleFiles: ["rules/*.yml"],
      targets: [{ job: "gateway", targets: ["127.0.0.1:1", "127.0.0.1:2"] }],
      alertmanagers: [],
    });
    const [file = ""] = writeFiles(dir.path, [{ path: "prometheus.yml", text }]);
    expect(runPromtool("check", "config", file)).toMatchObject({ ok: true });
    expect(parse(text)).toMatchObject({
      global: { scrape_interval: "500ms", scrape_timeout: "500ms", evaluation_interval: "1s" },
      scrape_configs: [{ static_configs: [{ targets: ["127.0.0.1:1", "127.0.0.1:2"] }] }],
    });
  });

  it("has a job for every kind of process that must be present", () => {
    const text = renderRules().find(({ path }) => path.includes("operations"))?.text ?? "";
    for (const kind of JOBS) expect(text).toContain(`absent(up{job="${kind}"})`);
  });
});

const ADDRESSES = {
  webhookUrl: "http://127.0.0.1:1/webhooks/alertmanager",
  webhookTokenFile: "/secrets/token",
  pagerdutyKeyFile: "/secrets/pagerduty",
  slackUrlFile: "/secrets/slack",
};

describe("alertmanager.yml", () => {
  it.skipIf(!amtool.ok).each([
    ["to all receivers", ADDRESSES],
    ["to the controller only", { webhookUrl: ADDRESSES.webhookUrl, groupWaitMs: 0 }],
    ["to Slack only", { slackUrlFile: ADDRESSES.slackUrlFile }],
    ["to no receiver", {}],
  ])("is accepted by amtool with alerts %s", (_, options) => {
    const text = renderAlertmanagerConfig(options);
    const [file = ""] = writeFiles(dir.path, [{ path: "alertmanager.yml", text }]);
    expect(runAmtool("check-config", file)).toMatchObject({ ok: true });
  });

  it.skipIf(!amtool.ok)("is accepted by amtool as committed", () => {
    expect(runAmtool("check-config", infra("alertmanager/alertmanager.yml"))).toMatchObject({ ok: true });
  });

  it.skipIf(!amtool.ok).each([
    ["safety", "critical", "rollback-controller,pagerduty,slack"],
    ["safety", "warning", "rollback-controller,pagerduty,slack"],
    ["watchdog", "none", "rollback-controller"],
    ["operations", "critical", "pagerduty,slack"],
    ["operations", "warning", "slack"],
    ["of another source", "critical", "slack"],
  ])("sends alerts of class %s and severity %s to %s", (ofClass, severity, to) => {
    const { ok, output } = runAmtool(
      "config",
      "routes",
      "test",
      `--config.file=${infra("alertmanager/alertmanager.yml")}`,
      `--verify.receivers=${to}`,
      `class=${ofClass}`,
      `severity=${severity}`,
    );
    expect({ ok, output }).toMatchObject({ ok: true });
  });

  it("groups safety alerts by alert and provider, and sends them without a wait", () => {
    const { route } = parse(renderAlertmanagerConfig({ ...ADDRESSES, groupWaitMs: 45_000 })) as {
      route: { group_wait: string; routes: { matchers: string[] }[] };
    };
    const safety = route.routes.filter(({ matchers }) => matchers.includes("class = safety"));
    expect(route.group_wait).toBe("45s");
    expect(safety).toHaveLength(3);
    for (const one of safety) {
      expect(one).toMatchObject({ group_by: ["alertname", "provider"], group_wait: "0s", continue: true });
    }
  });

  it("repeats a safety alert to the controller in the controller's default interval", () => {
    const { route } = parse(renderAlertmanagerConfig(ADDRESSES)) as {
      route: { routes: { receiver: string; matchers: string[]; repeat_interval: string }[] };
    };
    const toController = route.routes.find(
      ({ receiver, matchers }) => receiver === "rollback-controller" && matchers.includes("class = safety"),
    );
    const { SCBE_ALERT_REPEAT_SECONDS } = config.variables;
    const reading = readConfig(defineConfig({ SCBE_ALERT_REPEAT_SECONDS }), {});
    expect(toController?.repeat_interval).toBe(
      promDuration(1000 * (reading.ok ? reading.config.SCBE_ALERT_REPEAT_SECONDS : 0)),
    );
  });

  it("takes secrets only from files, and inhibits no safety alert", () => {
    const config = parse(renderAlertmanagerConfig(ADDRESSES)) as {
      inhibit_rules: { target_matchers: string[] }[];
      receivers: object[];
    };
    expect(config.receivers).toMatchObject([
      { name: "none" },
      { webhook_configs: [{ http_config: { authorization: { credentials_file: "/secrets/token" } } }] },
      { pagerduty_configs: [{ routing_key_file: "/secrets/pagerduty" }] },
      { slack_configs: [{ api_url_file: "/secrets/slack" }] },
    ]);
    const text = JSON.stringify(config.receivers);
    expect(text).not.toMatch(/"(routing_key|service_key|api_url|credentials|password|bearer_token)"/);
    for (const { target_matchers } of config.inhibit_rules) {
      expect(target_matchers).toContain("alertname = SCBETargetAbsent");
    }
  });
});
