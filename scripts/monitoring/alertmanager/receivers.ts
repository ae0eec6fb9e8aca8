import type { AlertmanagerConfigOptions } from "../render-alertmanager-config.ts";

/** Everybody whom an alert may reach. */
export const RECEIVERS = {
  controller: "rollback-controller",
  pagerduty: "pagerduty",
  slack: "slack",
  nobody: "nobody",
} as const;

/**
 * Alerts in one post to the controller, of 5 KB each within what it reads of a post. Those that are left out are counted in the post,
 * and the controller takes them for what their group is about.
 */
const WEBHOOK_ALERTS_MAX = 200;

/** Those of them that have an address; nobody always has none. */
export function receivers(options: AlertmanagerConfigOptions): readonly object[] {
  return [{ name: RECEIVERS.nobody }, ...controller(options), ...pagerduty(options), ...slack(options)];
}

function controller({ webhookUrl, webhookTokenFile }: AlertmanagerConfigOptions): readonly object[] {
  if (webhookUrl === undefined) return [];
  const auth = webhookTokenFile !== undefined && {
    http_config: { authorization: { type: "Bearer", credentials_file: webhookTokenFile } },
  };
  const webhook = { url: webhookUrl, send_resolved: true, max_alerts: WEBHOOK_ALERTS_MAX, ...auth };
  return [{ name: RECEIVERS.controller, webhook_configs: [webhook] }];
}

function pagerduty({ pagerdutyKeyFile }: AlertmanagerConfigOptions): readonly object[] {
  if (pagerdutyKeyFile === undefined) return [];
  return [
    {
      name: RECEIVERS.pagerduty,
      pagerduty_configs: [
        {
          routing_key_file: pagerdutyKeyFile,
          send_resolved: true,
          severity: '{{ if eq .CommonLabels.severity "critical" }}critical{{ else }}warning{{ end }}',
          description: TITLE,
          details: { alerts: ALERTS },
        },
      ],
    },
  ];
}

function slack({
  slackUrlFile,
  slackChannel = "#security-incidents",
}: AlertmanagerConfigOptions): readonly object[] {
  if (slackUrlFile === undefined) return [];
  return [
    {
      name: RECEIVERS.slack,
      slack_configs: [
        {
          api_url_file: slackUrlFile,
          channel: slackChannel,
          send_resolved: true,
          color:
            '{{ if eq .Status "resolved" }}good{{ else if eq .CommonLabels.severity "critical" }}danger{{ else }}warning{{ end }}',
          title: TITLE,
          text: ALERTS,
        },
      ],
    },
  ];
}

const TITLE =
  "{{ .Status | toUpper }} {{ .GroupLabels.alertname }}: {{ with index .Alerts 0 }}{{ .Annotations.summary }}{{ end }}";

const ALERTS = [
  "{{ range .Alerts }}{{ .Annotations.description }}",
  "{{ .Annotations.runbook }}",
  "{{ end }}",
].join("\n");
