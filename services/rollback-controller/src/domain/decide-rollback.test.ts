import { describe, expect, test } from "vitest";
import { decideRollback, type RollbackRules } from "./decide-rollback.ts";
import type { ToldAlert, ToldGroup } from "./read-webhook.ts";
import { type NonceReuseScope, triggersFor } from "./triggers.ts";

const rulesFor = (scope: NonceReuseScope, known: readonly string[] = []): RollbackRules => ({
  triggers: triggersFor(scope),
  providers: ["openai", "xai"],
  isKnown: (key) => known.includes(key),
});
const rules = rulesFor("all");

function told(name: string, provider?: string, more: Partial<ToldAlert> = {}): ToldAlert {
  return {
    name,
    provider,
    status: "firing",
    key: `${name} ${provider}`,
    description: "0.8% failed",
    ...more,
  };
}

function groupOf(alerts: readonly ToldAlert[], more: Partial<ToldGroup> = {}): ToldGroup {
  return { alerts, hidden: 0, status: "firing", labels: {}, key: "group g", ...more };
}

const ordersOf = (group: ToldGroup, by = rules) => decideRollback(group, by).orders.map(({ order }) => order);
const resultsOf = (group: ToldGroup, by = rules) =>
  decideRollback(group, by).results.map(({ result }) => result);

describe("the table of triggers", () => {
  test.each([
    ["SCBENonceReuse", "openai", "all", [{ cause: "integrity" }]],
    ["SCBENonceReuse", "openai", "provider", [{ cause: "integrity", provider: "openai" }]],
    ["SCBENonceReuse", undefined, "provider", [{ cause: "integrity" }]],
    ["SCBEGCMFailureRate", "xai", "all", [{ cause: "integrity", provider: "xai" }]],
    ["SCBEGCMFailureRate", undefined, "all", [{ cause: "integrity" }]],
    ["SCBEPhaseSkew", "openai", "all", [{ cause: "availability", provider: "openai" }]],
    ["SCBEHighLatency", "openai", "all", [{ cause: "availability", provider: "openai" }]],
    ["SCBEHighLatency", "unheard-of", "all", [{ cause: "availability" }]],
    ["SCBETrustDegraded", undefined, "all", []],
    ["SCBETargetAbsent", "openai", "all", []],
    ["Watchdog", undefined, "all", []],
    ["constructor", "openai", "all", []],
  ] as const)("%s of provider %s, with scope %s, orders %j", (name, provider, scope, orders) => {
    expect(ordersOf(groupOf([told(name, provider)]), rulesFor(scope))).toEqual(orders);
  });
});

test("who ordered it is the alert and its provider, and why is what it says", () => {
  const { orders } = decideRollback(groupOf([told("SCBENonceReuse", "openai")]), rules);
  expect(orders[0]?.actor).toEqual({ by: "alert:SCBENonceReuse:openai", reason: "0.8% failed" });
  const unnamed = decideRollback(groupOf([told("SCBEPhaseSkew", "*", { description: "" })]), rules);
  expect(unnamed.orders[0]?.actor).toEqual({ by: "alert:SCBEPhaseSkew", reason: "SCBEPhaseSkew is firing" });
});

test("of several orders the gravest comes first, and none comes twice", () => {
  const group = groupOf([
    told("SCBEHighLatency", "openai"),
    told("SCBEPhaseSkew", "openai"),
    told("SCBEGCMFailureRate", "openai"),
    told("SCBENonceReuse", "xai"),
    told("SCBEGCMFailureRate", "openai", { key: "the other rule" }),
  ]);
  expect(ordersOf(group)).toEqual([
    { cause: "integrity" },
    { cause: "integrity", provider: "openai" },
    { cause: "availability", provider: "openai" },
  ]);
});

describe("each alert acts once", () => {
  const alert = told("SCBEGCMFailureRate", "openai");
  test("what is known orders nothing, and is no news", () => {
    const decided = decideRollback(groupOf([alert]), rulesFor("all", [alert.key]));
    expect(decided).toMatchObject({ orders: [], keys: [], results: [{ result: "known" }] });
  });

  test("one that is resolved orders nothing, whether it comes after its firing or before", () => {
    const resolved = told("SCBEGCMFailureRate", "openai", { status: "resolved", key: "resolved" });
    expect(decideRollback(groupOf([resolved], { status: "resolved" }), rules)).toMatchObject({
      orders: [],
      keys: ["resolved"],
      results: [{ result: "resolved" }],
    });
    expect(ordersOf(groupOf([alert]), rulesFor("all", ["resolved"]))).toHaveLength(1);
  });

  test("an alert that is no trigger is recorded once", () => {
    const other = told("SCBETrustDegraded");
    expect(decideRollback(groupOf([other, other]), rules).keys).toEqual([other.key]);
    expect(resultsOf(groupOf([other]))).toEqual(["ignored"]);
  });

  test("the one that always fires is no news ever, and told from others", () => {
    const watchdog = told("Watchdog");
    expect(decideRollback(groupOf([watchdog]), rules)).toMatchObject({ keys: [], watchdog: true });
    const ended = { ...watchdog, status: "resolved" as const };
    expect(decideRollback(groupOf([ended, alert]), rules).watchdog).toBe(false);
  });
});

describe("alerts that were not told", () => {
  test("are taken for the group's trigger, of the group's provider", () => {
    const labels = { alertname: "SCBEGCMFailureRate", provider: "xai" };
    expect(ordersOf(groupOf([], { hidden: 3, labels }))).toEqual([{ cause: "integrity", provider: "xai" }]);
  });

  test("are of everything where the group is of no provider", () => {
    const alerts = [told("SCBEGCMFailureRate", "openai")];
    expect(ordersOf(groupOf(alerts, { hidden: 1, labels: { alertname: "SCBEGCMFailureRate" } }))).toEqual([
      { cause: "integrity" },
      { cause: "integrity", provider: "openai" },
    ]);
  });

  test("are each trigger that was told where the group is of no alert", () => {
    const alerts = [told("SCBEPhaseSkew", "openai"), told("SCBETrustDegraded")];
    expect(ordersOf(groupOf(alerts, { hidden: 1 }))).toEqual([
      { cause: "availability" },
      { cause: "availability", provider: "openai" },
    ]);
  });

  test("act once for what was told, and not at all when the group is resolved", () => {
    const group = groupOf([], { hidden: 1, labels: { alertname: "SCBENonceReuse" } });
    const [key = ""] = decideRollback(group, rules).keys;
    expect(ordersOf(group, rulesFor("all", [key]))).toEqual([]);
    expect(ordersOf({ ...group, status: "resolved" })).toEqual([]);
  });
});

test("nonce reuse that fires is told on, known or not, by its provider", () => {
  const alerts = [
    told("SCBENonceReuse", "openai"),
    told("SCBENonceReuse", "unheard-of"),
    told("SCBENonceReuse", "xai", { status: "resolved" }),
  ];
  const keys = alerts.map(({ key }) => key);
  expect(decideRollback(groupOf(alerts), rulesFor("all", keys)).reused).toEqual(["openai", "all"]);
});
