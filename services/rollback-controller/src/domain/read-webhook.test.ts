import { expect, test } from "vitest";
import { readWebhook, type ToldGroup, WEBHOOK_ALERTS_MAX } from "./read-webhook.ts";

const alert = {
  status: "firing",
  labels: { alertname: "SCBEGCMFailureRate", provider: "openai", severity: "critical" },
  annotations: { description: "GCM authentication failures: 0.8%" },
  startsAt: "2026-01-02T03:04:05.678901234Z",
  endsAt: "0001-01-01T00:00:00Z",
  generatorURL: "http://prometheus/graph",
  fingerprint: "d41d8cd98f00b204",
};
const post = {
  version: "4",
  groupKey: '{}/{class="safety"}:{alertname="SCBEGCMFailureRate", provider="openai"}',
  truncatedAlerts: 0,
  status: "firing",
  receiver: "rollback-controller",
  groupLabels: { alertname: "SCBEGCMFailureRate", provider: "openai" },
  commonLabels: {},
  commonAnnotations: {},
  externalURL: "http://alertmanager",
  alerts: [alert],
};

function groupOf(body: unknown): ToldGroup {
  const reading = readWebhook(body);
  if (!reading.ok) throw new Error(reading.problem);
  return reading.group;
}

test("a post of today's Alertmanager says which alert of which provider fires, since when", () => {
  expect(groupOf(post)).toMatchObject({
    hidden: 0,
    status: "firing",
    labels: { alertname: "SCBEGCMFailureRate", provider: "openai" },
    alerts: [
      {
        name: "SCBEGCMFailureRate",
        provider: "openai",
        status: "firing",
        description: "GCM authentication failures: 0.8%",
        key: `d41d8cd98f00b204 ${Date.parse("2026-01-02T03:04:05.678Z")} firing`,
      },
    ],
  });
});

test("members that are not known, and those that an older one does not have, change nothing", () => {
  const { truncatedAlerts: _, groupKey: __, ...older } = post;
  const newer = { ...older, notificationReason: "repeat", alerts: [{ ...alert, colour: { r: 1 } }] };
  expect(groupOf(newer).alerts).toEqual(groupOf(post).alerts);
});

test("an alert without a fingerprint has one of its labels", () => {
  const { fingerprint: _, ...bare } = alert;
  const keyOf = (labels: object) => groupOf({ ...post, alerts: [{ ...bare, labels }] }).alerts[0]?.key;
  expect(keyOf(bare.labels)).toBe(
    keyOf({ severity: "critical", provider: "openai", alertname: alert.labels.alertname }),
  );
  expect(keyOf(bare.labels)).not.toBe(keyOf({ ...bare.labels, provider: "xai" }));
});

test.each([
  ["its time is no time", { startsAt: "yesterday" }],
  ["its status is another", { status: "suppressed" }],
  ["it has no name", { labels: { provider: "openai" } }],
  ["a label is no text", { labels: { alertname: "a", provider: 1 } }],
])(
  "an alert that cannot be read, since %s, hides none of the others and counts as hidden",
  (_case, wrong) => {
    const group = groupOf({ ...post, truncatedAlerts: 2, alerts: [{ ...alert, ...wrong }, alert, null] });
    expect([group.alerts.length, group.hidden]).toEqual([1, 4]);
  },
);

test.each([
  ["another version", { ...post, version: "5" }, /version/],
  ["no alerts", { ...post, alerts: undefined }, /alerts/],
  ["too many alerts", { ...post, alerts: Array(WEBHOOK_ALERTS_MAX + 1).fill(alert) }, /alerts/],
  ["a negative count", { ...post, truncatedAlerts: -1 }, /truncatedAlerts/],
  ["a list", [], /version 4/],
  ["nothing", undefined, /version 4/],
])("a post with %s is refused, with where it goes wrong", (_case, body, problem) => {
  expect(readWebhook(body)).toEqual({ ok: false, problem: expect.stringMatching(problem) });
});

test("a group is the same one as long as it tells the same", () => {
  const keyOf = (body: object) => groupOf({ ...post, ...body }).key;
  expect(keyOf({})).toBe(keyOf({}));
  const others = [{ truncatedAlerts: 1 }, { groupKey: "other" }, { alerts: [] }, { status: "resolved" }];
  expect(new Set([{}, ...others].map(keyOf)).size).toBe(5);
});
