import { promDuration } from "../prom-duration.ts";
import type { AlertmanagerConfigOptions } from "../render-alertmanager-config.ts";
import { RECEIVERS } from "./receivers.ts";

/**
 * Who hears which alert. The controller comes first and waits for nobody; the routes after it hear the same alerts,
 * whatever becomes of its own.
 */
export function route(options: AlertmanagerConfigOptions): object {
  const { groupWaitMs = 30_000, groupIntervalMs = 300_000 } = options;
  return {
    receiver: options.slackUrlFile === undefined ? RECEIVERS.nobody : RECEIVERS.slack,
    group_by: ["alertname", "job"],
    group_wait: promDuration(groupWaitMs),
    group_interval: promDuration(groupIntervalMs),
    repeat_interval: "4h",
    routes: [watchdog(options), ...safety(options), ...operations(options)],
  };
}

/** To the controller alone: SCBEAlertsNotReceived tells people when it does not come there. */
function watchdog({ webhookUrl, watchdogIntervalMs = 60_000 }: AlertmanagerConfigOptions): object {
  return {
    receiver: webhookUrl === undefined ? RECEIVERS.nobody : RECEIVERS.controller,
    matchers: ["class = watchdog"],
    group_by: ["alertname"],
    ...AT_ONCE,
    // A repetition waits for the next turn of its group: with turns as rare as repetitions every other one is missed.
    group_interval: promDuration(Math.round(watchdogIntervalMs / 4)),
    repeat_interval: promDuration(watchdogIntervalMs),
  };
}

function safety(options: AlertmanagerConfigOptions): readonly object[] {
  const { webhookUrl, pagerdutyKeyFile, slackUrlFile } = options;
  const { safetyGroupIntervalMs = 10_000, safetyRepeatIntervalMs = 60_000 } = options;
  const common = {
    matchers: ["class = safety"],
    group_by: ["alertname", "provider"],
    ...AT_ONCE,
    group_interval: promDuration(safetyGroupIntervalMs),
  };
  const repeat = { repeat_interval: promDuration(safetyRepeatIntervalMs) };
  return [
    ...(webhookUrl === undefined ? [] : [{ receiver: RECEIVERS.controller, ...common, ...repeat }]),
    ...(pagerdutyKeyFile === undefined ? [] : [{ receiver: RECEIVERS.pagerduty, ...common }]),
    ...(slackUrlFile === undefined ? [] : [{ receiver: RECEIVERS.slack, ...common }]),
  ].map((one) => ({ ...one, continue: true }));
}

/** All of them to Slack; those that are urgent wake somebody before. A child that matches keeps an alert from the root. */
function operations({ pagerdutyKeyFile, slackUrlFile }: AlertmanagerConfigOptions): readonly object[] {
  const urgent = ["class = operations", "severity = critical"];
  return [
    ...(pagerdutyKeyFile === undefined
      ? []
      : [{ receiver: RECEIVERS.pagerduty, matchers: urgent, continue: true }]),
    ...(slackUrlFile === undefined ? [] : [{ receiver: RECEIVERS.slack, matchers: ["class = operations"] }]),
  ];
}

const AT_ONCE = { group_wait: "0s" } as const;
