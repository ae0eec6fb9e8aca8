import type { ControlState, Kill } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import type { ProcessedAlertsState } from "../alerts/processed-state.ts";
import { groupKeyOf, incidentOf, triggersFor } from "../alerts/triggers.ts";
import { EVERYTHING, type Notice, noticesDue } from "./notice.ts";
import { pagerdutyEvents } from "./pagerduty.ts";
import { slackMessage } from "./slack.ts";

const kill: Kill = {
  cause: "integrity",
  reason: "GCM authentication failures: 0.8%",
  by: "alert:SCBEGCMFailureRate:openai",
  since: Date.parse("2026-01-02T03:04:05.000Z"),
};
const later: Kill = { ...kill, since: kill.since + 1 };
const softer: Kill = { ...kill, cause: "availability", by: "alert:SCBEPhaseSkew:openai" };
const keyOf = (scope: string, { by }: Kill): string => `${scope} ${by}`;
type Switch = ControlState["kill_switch"];
type Causes = ControlState["fallback"]["causes"];

/** All notices for a sequence of states. */
function tell(...switches: readonly Switch[]): string[] {
  return tellOf(switches.map((kill_switch) => ({ kill_switch, fallback: { causes: [] } })));
}

function tellOf(states: Parameters<typeof noticesDue>[0][]): string[] {
  let noticed: ProcessedAlertsState["noticed"] = {};
  return states.flatMap((state) => {
    const due = noticesDue(state, noticed, keyOf);
    noticed = due.noticed;
    expect(noticesDue(state, noticed, keyOf)).toEqual({ notices: [], noticed });
    return due.notices.map(inShort);
  });
}

function inShort(notice: Notice): string {
  if (notice.kind === "released") return `released ${notice.scope}: ${notice.keys.join(", ")}`;
  return notice.kind === "engaged" ? `engaged ${notice.scope}` : "alone";
}

const NONE: Switch = { all: null, providers: {} };
const OPENAI: Switch = { all: null, providers: { openai: kill } };
const ALL: Switch = { all: kill, providers: {} };

describe("people get a notice", () => {
  test.each([
    ["nothing while nothing is killed", [NONE, NONE], []],
    [
      "of each kill once, and of its release",
      [OPENAI, OPENAI, NONE, NONE],
      ["engaged openai", `released openai: openai ${kill.by}`],
    ],
    ["of everything", [ALL, NONE], ["engaged *", `released *: * ${kill.by}`]],
    [
      "of a kill again after a release",
      [ALL, NONE, { ...ALL, all: later }],
      ["engaged *", `released *: * ${kill.by}`, "engaged *"],
    ],
    [
      "of a kill that was released and engaged again unseen",
      [ALL, { ...ALL, all: later }],
      ["engaged *", "engaged *"],
    ],
    [
      "of a kill with a graver cause, and both incidents end with it",
      [{ ...OPENAI, providers: { openai: softer } }, OPENAI, NONE],
      ["engaged openai", "engaged openai", `released openai: openai ${kill.by}, openai ${softer.by}`],
    ],
  ])("%s", (_case, states, told) => {
    expect(tell(...states)).toEqual(told);
  });

  test("of an availability kill once more, when fallback is chosen for it while it stands", () => {
    const standing = { all: null, providers: { openai: softer } };
    const states = ([[], ["flags"], ["availability"]] as Causes[]).map((causes) => ({
      kill_switch: standing,
      fallback: { causes },
    }));
    expect(tellOf(states)).toEqual(["engaged openai", "engaged openai"]);
  });

  test("of a release, and the incident stays open while another scope is killed for the same reason", () => {
    const shared = () => "one key";
    const of = (kill_switch: Switch) => ({ kill_switch, fallback: { causes: [] } });
    const both = noticesDue(of({ all: kill, providers: { openai: kill } }), {}, shared);
    const { notices } = noticesDue(of(OPENAI), both.noticed, shared);
    expect(notices).toEqual([{ kind: "released", scope: EVERYTHING, keys: [] }]);
  });
});

describe("the actor of a kill names its alert", () => {
  test.each([
    [
      "alert:SCBEGCMFailureRate:openai",
      '{}/{class="safety"}:{alertname="SCBEGCMFailureRate", provider="openai"}',
    ],
    ["alert:SCBENonceReuse", '{}/{class="safety"}:{alertname="SCBENonceReuse"}'],
    ["security event:xai", '{}/{class="safety"}:{alertname="SCBENonceReuse", provider="xai"}'],
  ])("%s", (by, key) => {
    const incident = incidentOf(by);
    expect(incident && groupKeyOf(incident)).toBe(key);
  });

  test.each(["ADMIN_TOKEN", "canary", "alert:", "alert:a:b*", 'alert:x", y="', "an alert:SCBENonceReuse"])(
    "%s: none",
    (by) => {
      expect(incidentOf(by)).toBeUndefined();
    },
  );
});

describe("PagerDuty gets events", () => {
  const context = { routingKey: "the-integration-key", env: "prod", triggers: triggersFor("all") } as const;

  test("of a kill in the runbook's shape, with the measured value and its limit", () => {
    const notice: Notice = { kind: "engaged", scope: "openai", kill, mode: "disabled", key: "k" };
    expect(pagerdutyEvents(notice, context)).toEqual([
      {
        routing_key: "the-integration-key",
        event_action: "trigger",
        dedup_key: "k",
        payload: {
          summary:
            "SCBE kill switch engaged for openai (integrity, disabled): GCM authentication failures: 0.8%",
          severity: "critical",
          source: "scbe-monitoring",
          custom_details: {
            metric: "scbe.gcm.failures_rate",
            value: "GCM authentication failures: 0.8%",
            threshold: "0.5%",
            scope: "openai",
            cause: "integrity",
            mode: "disabled",
            by: "alert:SCBEGCMFailureRate:openai",
            since: "2026-01-02T03:04:05.000Z",
            environment: "prod",
          },
        },
      },
    ]);
  });

  test("of a person's kill of everything, within its length limits", () => {
    const by = { ...kill, by: "EMERGENCY_TOKEN", reason: "x".repeat(2000) };
    const [event] = pagerdutyEvents(
      { kind: "engaged", scope: EVERYTHING, kill: by, mode: "disabled", key: "k" },
      context,
    );
    expect(event?.payload).toMatchObject({
      summary: expect.stringMatching(/^SCBE kill switch engaged for everything .{900,}$/),
      custom_details: { metric: "scbe.kill_switch", threshold: "none", scope: "everything" },
    });
    expect(event?.payload?.summary.length).toBe(1024);
  });

  test("of a release, with each incident's own key", () => {
    expect(pagerdutyEvents({ kind: "released", scope: "openai", keys: ["a", "b"] }, context)).toEqual([
      { routing_key: "the-integration-key", event_action: "resolve", dedup_key: "a" },
      { routing_key: "the-integration-key", event_action: "resolve", dedup_key: "b" },
    ]);
  });

  test("of a silent path, as a warning", () => {
    const [event] = pagerdutyEvents({ kind: "alone", provider: "xai", path: "event", key: "k" }, context);
    expect(event?.payload).toMatchObject({
      severity: "warning",
      summary: expect.stringContaining("only the event has spoken, and no alert"),
    });
  });
});

describe("Slack gets texts", () => {
  test("of a kill, and a reason can neither mention a user nor disguise a link", () => {
    const rude = { ...kill, reason: "<!channel> see <https://evil|the runbook> & co" };
    const { text } = slackMessage(
      { kind: "engaged", scope: EVERYTHING, kill: rude, mode: "disabled", key: "k" },
      "prod",
    );
    expect(text).toBe(
      "[prod] :rotating_light: *Kill switch engaged* for *everything* (integrity, disabled)\n" +
        "by alert:SCBEGCMFailureRate:openai: &lt;!channel&gt; see &lt;https://evil|the runbook&gt; &amp; co",
    );
  });

  test.each<[Notice, RegExp]>([
    [{ kind: "released", scope: "openai", keys: [] }, /released\* for \*openai\*$/],
    [
      { kind: "alone", provider: "xai", path: "alert", key: "k" },
      /at \*xai\*: only the alert has spoken, and no event$/,
    ],
  ])("of %j", (notice, says) => {
    expect(slackMessage(notice, "dev").text).toMatch(says);
  });
});
