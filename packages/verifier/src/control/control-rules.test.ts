import type { ControlState } from "@scbe/contracts";
import { documentOf, KILL, killing, REQUEST_ID } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { type ControlFacts, ControlRules } from "./control-rules.ts";

const FRESH = { wasGranted: true, isStale: false, policy: "hold" } as const;
const SOFT = { ...KILL, cause: "availability" } as const;
const CHOSEN: Partial<ControlState> = { fallback: { causes: ["availability", "flags"] } };
const SWITCHED_OFF = { scbe_envelope_verification: { enabled: false, providers: {} } };

function rules(facts: Partial<ControlFacts>): ControlRules {
  return new ControlRules({ ...FRESH, document: documentOf(), ...facts });
}

/** Request, response. */
const permitted = (it: ControlRules, provider = "openai"): boolean[] =>
  (["request", "response"] as const).map((phase) => it.permits(phase, provider, REQUEST_ID));

test("while nothing is off, everything is permitted", () => {
  expect(permitted(rules({}))).toEqual([true, true]);
  expect(rules({}).route("openai", REQUEST_ID)).toEqual({ way: "sealed" });
});

describe("a kill", () => {
  test.each([KILL, SOFT])("of everything ends requests and responses, whatever its cause", (kill) => {
    expect(permitted(rules({ document: documentOf(killing(kill)) }))).toEqual([false, false]);
  });

  test("of one provider ends that one's alone", () => {
    const it = rules({ document: documentOf(killing(null, { openai: KILL })) });
    expect(permitted(it)).toEqual([false, false]);
    expect(permitted(it, "xai")).toEqual([true, true]);
  });

  test("says by its cause and the choice of fallback where a request goes", () => {
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

test("a flag ends requests, and lets those that were sealed before have their answers", () => {
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
  "before a first lease nothing is permitted, whatever document is held: %s",
  (policy) => {
    const it = rules({ wasGranted: false, isStale: true, policy });
    expect(permitted(it)).toEqual([false, false]);
    expect(it.route("openai", REQUEST_ID)).toEqual({ way: "refused", why: "unknown" });
  },
);

test("without a lease any more, `hold` obeys what is held, also a kill that comes then", () => {
  expect(permitted(rules({ isStale: true }))).toEqual([true, true]);
  expect(permitted(rules({ isStale: true, document: documentOf(killing(KILL)) }))).toEqual([false, false]);
});

test("without a lease any more, `refuse` permits nothing, and says why", () => {
  const it = rules({ isStale: true, policy: "refuse" });
  expect(permitted(it)).toEqual([false, false]);
  expect(it.route("openai", REQUEST_ID)).toEqual({ way: "refused", why: "stale" });
});

test("a request that a share leaves out is not permitted, and one that is inside is", () => {
  const of = (traffic_percentage: number) => {
    const providers = { openai: { enabled: true, traffic_percentage } };
    return rules({ document: documentOf({ scbe_envelope_verification: { enabled: true, providers } }) });
  };
  expect([0, 100].map((share) => of(share).permits("request", "openai", REQUEST_ID))).toEqual([false, true]);
});
