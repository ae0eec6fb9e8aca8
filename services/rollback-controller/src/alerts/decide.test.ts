import { describe, expect, test } from "vitest";
import { decideRollback, type RollbackRules } from "./decide.ts";
import { firingKey } from "./firings.ts";
import type { PostedAlert, PostedGroup } from "./read-webhook.ts";
import { type NonceReuseScope, triggersFor } from "./triggers.ts";

const rulesFor = (scope: NonceReuseScope, standing: readonly string[] = []): RollbackRules => ({
  triggers: triggersFor(scope),
  providers: ["openai", "xai"],
  isActive: (key) => standing.includes(key),
});
const rules = rulesFor("all");

function posted(name: string, provider?: string, more: Partial<PostedAlert> = {}): PostedAlert {
  return {
    name,
    provider,
    status: "firing",
    labels: { alertname: name },
    description: "0.8% failed",
    ...more,
  };
}

function groupOf(alerts: readonly PostedAlert[], more: Partial<PostedGroup> = {}): PostedGroup {
  return { alerts, unreadable: 0, hidden: 0, hiddenAs: [], status: "firing", ...more };
}

const ordersOf = (group: PostedGroup, by = rules) =>
  decideRollback(group, by).orders.map(({ order }) => order);
const countsOf = (group: PostedGroup, by = rules) => decideRollback(group, by).counts;

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
    expect(ordersOf(groupOf([posted(name, provider)]), rulesFor(scope))).toEqual(orders);
  });
});

test("the actor is the alert and its provider, and the reason is its description", () => {
  const { orders } = decideRollback(groupOf([posted("SCBENonceReuse", "openai")]), rules);
  expect(orders[0]?.actor).toEqual({ by: "alert:SCBENonceReuse:openai", reason: "0.8% failed" });
  const unnamed = decideRollback(groupOf([posted("SCBEPhaseSkew", "*", { description: "" })]), rules);
  expect(unnamed.orders[0]?.actor).toEqual({ by: "alert:SCBEPhaseSkew", reason: "SCBEPhaseSkew is firing" });
});

test("of several orders the most serious comes first, and none comes twice", () => {
  const group = groupOf([
    posted("SCBEHighLatency", "openai"),
    posted("SCBEPhaseSkew", "openai"),
    posted("SCBEGCMFailureRate", "openai"),
    posted("SCBENonceReuse", "xai"),
    posted("SCBEGCMFailureRate", "openai", { labels: { rule: "the other one" } }),
  ]);
  expect(ordersOf(group)).toEqual([
    { cause: "integrity" },
    { cause: "integrity", provider: "openai" },
    { cause: "availability", provider: "openai" },
  ]);
});

describe("each firing acts once", () => {
  const alert = posted("SCBEGCMFailureRate", "openai");

  test("an active firing orders nothing, with any other labels, and is sighted again", () => {
    const standing = rulesFor("all", [firingKey("SCBEGCMFailureRate", "openai")]);
    const others = [alert, { ...alert, labels: { replica: "b" } }];
    expect(decideRollback(groupOf(others), standing)).toMatchObject({ orders: [], counts: { known: 2 } });
    expect(decideRollback(groupOf(others), standing).sightings).toEqual(
      new Map([
        [
          firingKey("SCBEGCMFailureRate", "openai"),
          { firing: [alert.labels, { replica: "b" }], resolved: [], hidden: undefined },
        ],
      ]),
    );
  });

  test("an active firing of one provider, or of everything, does not cover another provider", () => {
    const standing = [firingKey("SCBEGCMFailureRate", "xai"), firingKey("SCBEGCMFailureRate", undefined)];
    expect(ordersOf(groupOf([alert]), rulesFor("all", standing))).toHaveLength(1);
    expect(
      ordersOf(groupOf([posted("SCBEGCMFailureRate", "unheard-of")]), rulesFor("all", standing)),
    ).toEqual([]);
  });

  test("a resolved alert orders nothing, and is sighted", () => {
    const resolved = posted("SCBEGCMFailureRate", "openai", { status: "resolved" });
    const decided = decideRollback(groupOf([resolved], { status: "resolved" }), rules);
    expect(decided).toMatchObject({ orders: [], counts: { resolved: 1 } });
    expect([...decided.sightings.values()]).toMatchObject([{ firing: [], resolved: [resolved.labels] }]);
  });

  test("alerts that are no triggers are counted, and not sighted", () => {
    const others = Array.from({ length: 1000 }, (_, index) => posted(`Other${index}`, "openai"));
    const decided = decideRollback(groupOf(others), rules);
    expect(decided).toMatchObject({ orders: [], counts: { ignored: 1000 }, sightings: new Map() });
  });

  test("the watchdog alert is recognized, and orders nothing", () => {
    const watchdog = posted("Watchdog");
    expect(decideRollback(groupOf([watchdog]), rules)).toMatchObject({
      sightings: new Map(),
      watchdog: true,
    });
    const ended = { ...watchdog, status: "resolved" as const };
    expect(decideRollback(groupOf([ended, alert]), rules).watchdog).toBe(false);
  });

  test("in a storm of one firing, the number of sighted labels is bounded", () => {
    const storm = Array.from({ length: 5000 }, (_, n) =>
      posted("SCBEPhaseSkew", "xai", { labels: { n: `${n}` } }),
    );
    const [sighting] = decideRollback(groupOf(storm), rules).sightings.values();
    expect(sighting).toMatchObject({ hidden: "firing" });
    expect(sighting?.firing).toHaveLength(256);
  });
});

describe("alerts that the post left out", () => {
  const hidden = { hidden: 3, hiddenAs: [{ name: "SCBEGCMFailureRate", provider: "xai" }] };

  test("are assumed to be what the group is about, and sighted", () => {
    const decided = decideRollback(groupOf([], hidden), rules);
    expect(decided.orders.map(({ order }) => order)).toEqual([{ cause: "integrity", provider: "xai" }]);
    expect(decided.orders[0]?.actor.reason).toBe("3 alerts of the group were left out");
    expect([...decided.sightings.values()]).toMatchObject([{ hidden: "firing" }]);
  });

  test("are about everything if any provider is possible", () => {
    const hiddenAs = [
      { name: "SCBEPhaseSkew", provider: undefined },
      { name: "Other", provider: "xai" },
    ];
    expect(ordersOf(groupOf([posted("SCBEPhaseSkew", "openai")], { hidden: 1, hiddenAs }))).toEqual([
      { cause: "availability" },
      { cause: "availability", provider: "openai" },
    ]);
  });

  test("act once, and not at all if the group is resolved", () => {
    expect(ordersOf(groupOf([], hidden), rulesFor("all", [firingKey("SCBEGCMFailureRate", "xai")]))).toEqual(
      [],
    );
    const resolved = decideRollback(groupOf([], { ...hidden, status: "resolved" }), rules);
    expect(resolved.orders).toEqual([]);
    expect([...resolved.sightings.values()]).toMatchObject([{ hidden: "resolved" }]);
  });

  test("are counted one by one if they are unreadable", () => {
    expect(countsOf(groupOf([posted("Other")], { ...hidden, unreadable: 2 }))).toEqual({
      ignored: 1,
      killed: 1,
      unreadable: 2,
    });
  });
});

test("firing nonce reuse is reported by provider, processed before or not", () => {
  const alerts = [
    posted("SCBENonceReuse", "openai"),
    posted("SCBENonceReuse", "unheard-of"),
    posted("SCBENonceReuse", "xai", { status: "resolved" }),
  ];
  const standing = ["openai", "xai", undefined].map((it) => firingKey("SCBENonceReuse", it));
  expect(decideRollback(groupOf(alerts), rulesFor("all", standing)).reused).toEqual(["openai", "all"]);
});
