import type { ControlState } from "@scbe/contracts";
import { documentOf, KILL, killing, REQUEST_ID } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { type ControlFacts, ControlRules, skewSeconds } from "./control-rules.ts";

const FRESH = { wasGranted: true, isStale: false, policy: "hold" } as const;
const SOFT = { ...KILL, cause: "availability" } as const;
const CHOSEN: Partial<ControlState> = { fallback: { causes: ["availability", "flags"] } };
const SWITCHED_OFF = { scbe_envelope_verification: { enabled: false, providers: {} } };

function rules(facts: Partial<ControlFacts>): ControlRules {
  return new ControlRules({ ...FRESH, document: documentOf(), ...facts });
}

/** For a request and for a response. */
const permitted = (it: ControlRules, provider = "openai"): boolean[] =>
  (["request", "response"] as const).map((phase) => it.permits(phase, provider, REQUEST_ID));

test("without a kill or a flag, everything is permitted", () => {
  expect(permitted(rules({}))).toEqual([true, true]);
  expect(rules({}).route("openai", REQUEST_ID)).toEqual({ way: "sealed" });
});

describe("a kill", () => {
  test.each([KILL, SOFT])("of all providers stops requests and responses, whatever its cause", (kill) => {
    expect(permitted(rules({ document: documentOf(killing(kill)) }))).toEqual([false, false]);
  });

  test("of one provider stops only that one's", () => {
    const it = rules({ document: documentOf(killing(null, { openai: KILL })) });
    expect(permitted(it)).toEqual([false, false]);
    expect(permitted(it, "xai")).toEqual([true, true]);
  });

  test("routes a request by its cause and the choice of fallback", () => {
    const route = (kill: typeof KILL, change: Parameters<typeof documentOf>[0]) =>
      rules({ document: documentOf({ ...killing(kill), ...change }) }).route("openai", REQUEST_ID);
    const [refused, unsealed] = (["refused", "fallback"] as const).map((way) => ({
      way,
      why: "kill_switch",
    }));
    expect([route(SOFT, {}), route(SOFT, CHOSEN)]).toEqual([refused, unsealed]);
    expect([route(KILL, {}), route(KILL, CHOSEN)]).toEqual([refused, refused]);
  });
});

test("a flag stops requests, and answers to requests that were sealed before are still sealed", () => {
  for (const [choice, way] of [
    [{}, "refused"],
    [CHOSEN, "fallback"],
  ] as const) {
    const it = rules({ document: documentOf({ ...SWITCHED_OFF, ...choice }) });
    expect(permitted(it)).toEqual([false, true]);
    expect(it.route("openai", REQUEST_ID)).toEqual({ way, why: "flag" });
  }
});

test.each(["hold", "refuse"] as const)(
  "before the first lease nothing is permitted, whatever document is held: %s",
  (policy) => {
    const it = rules({ wasGranted: false, isStale: true, policy });
    expect(permitted(it)).toEqual([false, false]);
    expect(it.route("openai", REQUEST_ID)).toEqual({ way: "refused", why: "unknown" });
  },
);

test("after the lease ended, `hold` obeys the held document, also a kill that comes later", () => {
  expect(permitted(rules({ isStale: true }))).toEqual([true, true]);
  expect(permitted(rules({ isStale: true, document: documentOf(killing(KILL)) }))).toEqual([false, false]);
});

test("after the lease ended, `refuse` permits nothing, and says why", () => {
  const it = rules({ isStale: true, policy: "refuse" });
  expect(permitted(it)).toEqual([false, false]);
  expect(it.route("openai", REQUEST_ID)).toEqual({ way: "refused", why: "stale" });
});

test("a request outside the traffic share is not permitted, and one inside is", () => {
  const of = (traffic_percentage: number) => {
    const providers = { openai: { enabled: true, traffic_percentage } };
    return rules({ document: documentOf({ scbe_envelope_verification: { enabled: true, providers } }) });
  };
  expect([0, 100].map((share) => of(share).permits("request", "openai", REQUEST_ID))).toEqual([false, true]);
});

const BOUNDS = { usualSeconds: 120, limitSeconds: 400 };
const UNTIL = 10_000;

test.each([
  ["while its window lasts", 300, UNTIL - 1, 300],
  ["until its window ends", 300, UNTIL, 120],
  ["up to the limit", 600, UNTIL - 1, 400],
  ["and never narrows it", 60, UNTIL - 1, 120],
])("a document widens the skew %s", (_, seconds, nowMs, expected) => {
  const document = documentOf({ skew_window: { seconds, until: UNTIL, reason: "a test" } });
  expect(skewSeconds(document, BOUNDS, nowMs)).toBe(expected);
});

test("without a document, or without a window in it, the usual skew applies", () => {
  expect(skewSeconds(undefined, BOUNDS, 0)).toBe(120);
  expect(skewSeconds(documentOf(), BOUNDS, 0)).toBe(120);
});
