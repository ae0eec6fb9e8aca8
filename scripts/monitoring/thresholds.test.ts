import { CRITERIA } from "@scbe/rollback-controller/canary/criteria";
import { SEQUENTIAL } from "@scbe/rollback-controller/canary/sequential-test";
import { expect, test } from "vitest";
import { promDuration } from "./prom-duration.ts";
import { type AlertRule, groupsOf, renderRules } from "./render-rules.ts";
import { type Durations, type Limits, shortened, THRESHOLDS } from "./thresholds.ts";

const rules = renderRules().flatMap(({ text }) => groupsOf(text).flatMap((group) => group.rules));
const alerts = rules.filter((rule): rule is AlertRule => "alert" in rule);

/** Of each alert, one row for each of its rules: its `for`, its other times, and its limits. */
const ALERTS: readonly (readonly [string, keyof Durations | 0, (keyof Durations)[], (keyof Limits)[]])[] = [
  ["SCBEGCMFailureRate", "gcmForMs", ["gcmWindowMs"], ["gcmFailureShareMax", "gcmAttemptsMin"]],
  [
    "SCBEGCMFailureRate",
    0,
    ["gcmWindowMs", "gcmLowTrafficWindowMs", "gcmLowTrafficSlotMs"],
    ["gcmFailureShareMax", "gcmLowTrafficFailuresMin", "gcmLowTrafficSlotsMin"],
  ],
  ["SCBENonceReuse", 0, ["reuseWindowMs", "reuseGapMs"], []],
  ["SCBEHighLatency", "verifyForMs", ["verifyWindowMs"], ["verifyP99MaxMs", "verifySamplesMin"]],
  ["SCBEPhaseSkew", "skewForMs", ["skewWindowMs"], ["skewP99MaxMs", "skewSamplesMin"]],
  ["SCBETrustDegraded", "trustForMs", ["trustGapMs"], ["trustAverageMin"]],
  ["Watchdog", 0, [], []],
  ["SCBETargetAbsent", "targetAbsentForMs", [], []],
  ["SCBETargetAbsent", "targetAbsentForMs", [], []],
  ["SCBEReplayStoreAway", "storeAwayForMs", [], []],
  ["SCBEEpochChanged", 0, ["epochChangedMemoryMs", "epochChangedTellMs"], []],
  ["SCBEKMSUnreachable", "kmsAwayForMs", [], []],
  ["SCBEAllOpensRefused", "allRefusedForMs", ["allRefusedWindowMs"], ["allRefusedOpeningsMin"]],
  ["SCBEClockOffset", "clockOffsetForMs", [], ["clockOffsetMaxMs"]],
  ["SCBEProviderSkew", "skewForMs", ["skewWindowMs"], ["skewP99MaxMs", "skewSamplesMin", "clockOffsetMaxMs"]],
  ["SCBEVerifierStale", "verifierStaleForMs", [], []],
  ["SCBEVerifierBehind", "verifierStaleForMs", [], []],
  ["SCBEControlNotStored", "storeAwayForMs", [], []],
  ["SCBEAlertsNotReceived", "watchdogMissingForMs", ["watchdogWindowMs"], []],
  ["SCBEWebhookRefused", 0, ["webhookRefusedTellMs"], []],
  ["SCBEWebhookNotAuthorized", 0, ["webhookRefusedTellMs"], []],
  ["SCBERollbackPathSilent", 0, ["pathSilentTellMs"], []],
  ["SCBENoticesNotDelivered", "undeliveredForMs", ["lostTellMs"], []],
  ["SCBEAuditNotStored", "undeliveredForMs", ["lostTellMs"], []],
  ["SCBEProviderLatched", 0, ["trustGapMs"], []],
  ["SCBEProviderLatched", 0, ["trustGapMs"], []],
  ["SCBEProviderDoubted", 0, ["trustGapMs"], []],
  ["SCBEProviderExcluded", 0, ["trustExcludedTellMs"], []],
  ["SCBETrustUntold", "trustUntoldForMs", [], []],
  ["SCBETrustLag", "trustLagForMs", [], ["trustLagMax"]],
  ["SCBEOutcomesLost", 0, ["lostTellMs"], []],
];

const { durations, limits } = THRESHOLDS;

test("the table names every rule of every alert, in the order of the files", () => {
  expect(ALERTS.map(([alert]) => alert)).toEqual(alerts.map(({ alert }) => alert));
});

test.each(ALERTS.map((row, index) => [row[0], alerts[index]?.for ?? "", index] as const))(
  "the rule %s (for: %s) has the times and limits of the thresholds",
  (_alert, forText, index) => {
    const [, forKey, windows, bounds] = ALERTS[index] ?? ["", 0, [], []];
    const expr = alerts[index]?.expr ?? "";
    expect(forText).toBe(promDuration(forKey === 0 ? 0 : durations[forKey]));
    const times = windows.map((key) => promDuration(durations[key]));
    expect(times.filter((time) => !new RegExp(`(\\[|:|offset )${time}\\b`).test(expr))).toEqual([]);
    const numbers = bounds.map((key) => String(limits[key]));
    expect(numbers.filter((number) => !new RegExp(`[<>]=? ${number}\\b`).test(expr))).toEqual([]);
  },
);

test("the age of a young process is that of the thresholds", () => {
  expect(alerts.find(({ alert }) => alert === "SCBENonceReuse")?.expr).toContain(
    `process_start_time_seconds < ${durations.reuseYoungMs / 1000})`,
  );
});

test("rules with shorter times have the shorter times of the thresholds, and no others", () => {
  const [long, short] = [THRESHOLDS, shortened(THRESHOLDS, 30)].map((thresholds) => {
    const times = Object.values(thresholds.durations).map((ms) => promDuration(ms));
    const text = renderRules(thresholds)
      .flatMap(({ text: file }) => groupsOf(file).flatMap((group) => group.rules.map(({ expr }) => expr)))
      .join("\n");
    const found = [...text.matchAll(/(?:\[|offset )(\w+)/g)].map(([, time = ""]) => time);
    return found.map((time) => times.indexOf(time));
  });
  // Two ranges of SCBEGCMFailureRate are no threshold: a slot and a scrape, and a window less 1 ms.
  expect(long?.filter((index) => index === -1)).toHaveLength(2);
  expect(short?.filter((index) => index === -1)).toHaveLength(2);
  expect(short).toHaveLength(long?.length ?? 0);
});

test.each([
  ["gcm_failure_share", limits.canaryGcmFailureShareMax],
  ["create_p99_ms", limits.canaryEnvelopeP99MaxMs],
  ["verify_p99_ms", limits.canaryEnvelopeP99MaxMs],
  ["phase_skew_p99_ms", limits.canarySkewP99MaxMs],
])("the canary holds %s to the limit of the dashboard", (name, limit) => {
  expect(CRITERIA.find((criterion) => criterion.name === name)?.limit).toBe(limit);
});

test("the canary's sequential test tells the canary's share of failures from the alert's", () => {
  expect(SEQUENTIAL).toMatchObject({ p0: limits.canaryGcmFailureShareMax, p1: limits.gcmFailureShareMax });
});
