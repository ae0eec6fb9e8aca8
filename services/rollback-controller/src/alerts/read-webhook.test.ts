import { describe, expect, test } from "vitest";
import { readJsonStart } from "./read-post.ts";
import { readWebhook } from "./read-webhook.ts";

const NAME = "SCBEGCMFailureRate";

function alertOf(labels: object = {}, more: object = {}) {
  return {
    status: "firing",
    labels: { alertname: NAME, provider: "openai", severity: "critical", ...labels },
    annotations: { description: "GCM authentication failures: 0.8%" },
    startsAt: "2026-01-02T03:04:05.678901234Z",
    endsAt: "0001-01-01T00:00:00Z",
    generatorURL: "http://prometheus/graph",
    fingerprint: "d41d8cd98f00b204",
    ...more,
  };
}
const alert = alertOf();
/** In the order of Alertmanager 0.28: the labels of the group come after its alerts. */
const post = {
  receiver: "rollback-controller",
  status: "firing",
  alerts: [alert] as unknown,
  groupLabels: { alertname: NAME, provider: "openai" } as unknown,
  commonLabels: {},
  commonAnnotations: {},
  externalURL: "http://alertmanager",
  version: "4",
  groupKey: `{}/{class="safety"}:{alertname="${NAME}", provider="openai"}`,
  truncatedAlerts: 0,
};

const read = (text: string) => readWebhook(readJsonStart(text));
const groupOf = (body: unknown) => read(JSON.stringify(body));

test("a post of Alertmanager 0.28 names the firing alert and its provider", () => {
  expect(groupOf(post)).toEqual({
    status: "firing",
    alerts: [
      {
        name: NAME,
        provider: "openai",
        status: "firing",
        labels: alert.labels,
        description: "GCM authentication failures: 0.8%",
      },
    ],
    unreadable: 0,
    hidden: 0,
    hiddenAs: [{ name: NAME, provider: "openai" }],
  });
});

test("unknown members, and members that older versions lack, change nothing", () => {
  const { truncatedAlerts: _, groupKey: __, commonLabels: ___, ...older } = post;
  const newer = { ...older, notificationReason: "repeat", alerts: [{ ...alert, colour: { r: 1 } }] };
  expect(groupOf(newer)).toEqual(groupOf(post));
});

describe("a partly unreadable alert", () => {
  test.each([
    ["its times are none", { startsAt: "yesterday", endsAt: 5, fingerprint: "!" }],
    ["it has no annotations", { annotations: "none" }],
    ["its status is another, so that it is the group's", { status: "suppressed" }],
    ["a label beside is no text", { labels: { ...alert.labels, extra: 5 } }],
    ["its provider is no text, so that it is the group's", { labels: { ...alert.labels, provider: 1 } }],
  ])("is returned even if %s", (_case, wrong) => {
    const group = groupOf({ ...post, alerts: [{ ...alert, ...wrong }] });
    expect(group).toMatchObject({ unreadable: 0, hidden: 0 });
    expect(group.alerts).toMatchObject([{ name: NAME, provider: "openai", status: "firing" }]);
  });

  test.each([
    ["no name", alertOf({ alertname: undefined })],
    ["a name that is no text", alertOf({ alertname: 5 })],
    ["no labels", { ...alert, labels: null }],
    ["no members", null],
  ])("with %s hides none of the others, is counted, and counts as hidden", (_case, wrong) => {
    const group = groupOf({ ...post, truncatedAlerts: 2, alerts: [wrong, alert] });
    expect([group.alerts.length, group.unreadable, group.hidden]).toEqual([1, 1, 3]);
  });
});

describe("hidden alerts", () => {
  const hiddenAs = (more: object) => groupOf({ ...post, truncatedAlerts: 1, ...more }).hiddenAs;
  const own = { name: NAME, provider: "openai" };
  const two = [alert, alertOf({ provider: "xai" })];

  test("have the labels that the group was made by", () => {
    expect(hiddenAs({})).toEqual([{ name: NAME, provider: "openai" }]);
    expect(hiddenAs({ groupLabels: { alertname: NAME } })).toEqual([{ name: NAME, provider: undefined }]);
  });

  test("may be any alert in the post if the group was made by no label", () => {
    const alerts = [alert, alertOf({ alertname: "SCBEPhaseSkew" })];
    expect(hiddenAs({ groupLabels: {}, alerts })).toEqual([
      { name: NAME, provider: undefined },
      { name: "SCBEPhaseSkew", provider: undefined },
    ]);
  });

  test("have the common labels, except for the provider if Alertmanager left alerts out", () => {
    const common = { groupLabels: {}, commonLabels: { alertname: NAME, provider: "openai" } };
    expect(hiddenAs({ ...common, alerts: [] })).toEqual([{ name: NAME, provider: undefined }]);
    expect(hiddenAs({ ...common, alerts: [null], truncatedAlerts: 0 })).toEqual([own]);
  });

  /** Cut off within the last alert. */
  const cut = (alerts: readonly unknown[]) => {
    const text = JSON.stringify({ ...post, alerts });
    return read(text.slice(0, text.lastIndexOf('"annotations"')));
  };

  test("of a post that is cut off before its labels have the provider that all other alerts share", () => {
    expect(cut([alert, alert])).toMatchObject({ hidden: 1, hiddenAs: [own] });
    expect(cut(two)).toMatchObject({ hidden: 1, hiddenAs: [{ name: NAME, provider: undefined }] });
  });

  test("do not exist if the post is cut off after its alerts", () => {
    const text = JSON.stringify(post);
    expect(read(text.slice(0, text.indexOf('"commonLabels"'))).hidden).toBe(0);
  });
});

describe("a post that is cut off", () => {
  const { groupLabels, ...others } = post;
  const orders: readonly (readonly [string, object])[] = [
    ["behind", post],
    ["before", { groupLabels, ...others }],
  ];

  test.each(orders)(
    "yields the same alert wherever it ends, with the labels of the group %s its alerts",
    (_order, body) => {
      const text = JSON.stringify({ ...body, alerts: [alert, alert] });
      const first = text.indexOf('"severity"', text.indexOf('"alerts"'));
      for (let length = first; length < text.length; length += 1) {
        const group = read(text.slice(0, length));
        expect(group.problem).toMatch(/cut off/);
        expect(group.status).toBe("firing");
        for (const alert of group.alerts)
          expect(alert).toMatchObject({ name: NAME, provider: "openai", status: "firing" });
        expect(group.alerts.length).toBeGreaterThan(0);
        if (group.hidden > 0) expect(group.hiddenAs).toEqual([{ name: NAME, provider: "openai" }]);
      }
    },
  );

  test("does not take a cut-off name for a shorter one", () => {
    const text = JSON.stringify({ ...post, alerts: [alert, alertOf({ provider: "openai-eu" })] });
    const group = read(text.slice(0, text.indexOf("-eu")));
    expect(group.alerts.map(({ provider }) => provider)).toEqual(["openai", "openai"]);
    const alone = read(text.slice(0, text.indexOf("openai") + 3));
    expect(alone.alerts).toMatchObject([{ name: NAME, provider: undefined }]);
  });

  test("does not take the text of an annotation for an alert", () => {
    const description = JSON.stringify({ ...post, alerts: [alertOf({ alertname: "SCBENonceReuse" })] });
    const text = JSON.stringify({ ...post, alerts: [{ ...alert, annotations: { description } }] });
    for (let length = 0; length < text.length; length += 7) {
      const group = read(text.slice(0, length));
      expect(JSON.stringify([group.alerts.map(({ name }) => name), group.hiddenAs])).not.toContain(
        "NonceReuse",
      );
    }
  });
});

test.each([
  ["another version", { ...post, version: "5" }, /version/],
  ["no alerts", { ...post, alerts: undefined }, /alerts/],
  ["a negative count", { ...post, truncatedAlerts: -1 }, /truncatedAlerts/],
  ["another status", { ...post, status: "unknown" }, /status/],
  ["a list", [], /version 4/],
])("a post with %s says where it is wrong", (_case, body, problem) => {
  expect(groupOf(body).problem).toMatch(problem);
});

test.each(["", "{", "nonsense", "null"])("%j has no alerts, and is reported as a problem", (text) => {
  expect(read(text)).toMatchObject({ alerts: [], hiddenAs: [], problem: expect.any(String) });
});

test("text that is not Unicode is returned as Unicode", () => {
  const text = JSON.stringify(post).replace("critical", "\\ud800");
  expect(read(text).alerts[0]?.labels.severity).toBe("\ufffd");
});
