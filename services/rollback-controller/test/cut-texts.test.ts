import { encodeProblem, type Kill, REASON_MAX, ScbeError } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readWebhook } from "../src/alerts/read-webhook.ts";
import { fieldProblems } from "../src/api/fields.ts";
import { type JsonReading, readJson } from "../src/api/request-body.ts";
import { fitRecord } from "../src/audit/chain.ts";
import { measureWith } from "../src/canary/measure.ts";
import type { Notice } from "../src/notify/notice.ts";
import { pagerdutyEvents } from "../src/notify/pagerduty.ts";
import { slackMessage } from "../src/notify/slack.ts";

const kill = (reason: string): Kill => ({ cause: "integrity", reason, by: "admin", since: 0 });
const engaged = (reason: string): Notice => ({
  kind: "engaged",
  key: "k",
  scope: "openai",
  kill: kill(reason),
  mode: "disabled",
});

const alertWith = (description: string) => ({
  version: "4",
  status: "firing",
  alerts: [{ status: "firing", labels: { alertname: "SCBEPhaseSkew" }, annotations: { description } }],
});

const fieldOf = (reading: JsonReading): string | undefined =>
  reading.ok ? undefined : reading.problem.field;

const CUTS: readonly [string, (text: string) => unknown][] = [
  ["Slack's message", (text) => slackMessage(engaged(text), "dev").text],
  [
    "PagerDuty's summary",
    (text) =>
      pagerdutyEvents(engaged(text), { routingKey: "r", env: "dev", triggers: new Map() })[0]?.payload
        ?.summary,
  ],
  ["an audit entry", (text) => fitRecord({ at: 0, action: "a", by: "b", reason: text }).reason],
  [
    "an alert's description",
    (text) => readWebhook({ value: alertWith(text), open: new Set(), isWhole: true }).alerts[0]?.description,
  ],
  [
    "a field's name",
    (text) => fieldProblems(z.strictObject({}).safeParse({ [text]: 1 }).error as z.ZodError)[0]?.field,
  ],
  ["a field's name of JSON", (text) => fieldOf(readJson(JSON.stringify({ [text]: 1 }).repeat(2)))],
  [
    "a measurement's error",
    async (text) => {
      const query = async () => ({ ok: false, reason: text }) as const;
      const options = { alertmanager: undefined, watchdogAgeMs: () => 0, safetyAlerts: [] };
      const measured = { provider: "openai", since: 0, now: 1 };
      return (await measureWith({ ...options, prometheus: { query } })(measured)).measurements[0]?.error;
    },
  ],
  [
    "a problem's title",
    (text) => JSON.parse(Buffer.from(encodeProblem(new ScbeError("INTERNAL", text))).toString()).title,
  ],
];

describe.each(CUTS)("%s", (_name, cut) => {
  test.each(["", "x"])("never ends in half an emoji, after %j", async (before) => {
    const shown = await cut(`${before}${"😀".repeat(2 * REASON_MAX)}`);
    expect(shown).toEqual(expect.any(String));
    expect(String(shown).isWellFormed()).toBe(true);
    expect(shown).not.toContain("\ufffd");
  });
});
