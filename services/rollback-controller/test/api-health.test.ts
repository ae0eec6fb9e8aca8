import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { VerifierReport } from "../src/ports.ts";
import { ADMIN, hearing, reportsOf, startApi, type TestApi } from "./api-kit.ts";

const report = (name: string, state: VerifierReport["state"]): VerifierReport => ({
  ...{ name, state, generation: 1, ageMs: 10, permitsFallback: false },
});
const flags = (scbe_envelope_verification: object) => ({ scbe_envelope_verification });
const kill = (more: object = {}) => ({ scbe_kill_switch: { enabled: true, reason: "why", ...more } });
const shares = (...shares: [name: string, flag: object][]) =>
  flags({ providers: Object.fromEntries(shares) });

describe("the health of the control plane", () => {
  let api: TestApi;
  const post = (body: unknown) => api.ask("/feature-flags", { token: ADMIN, body });
  const health = async () => (await api.ask("/health/scbe")).body;
  const orchestrators = async () => (await api.ask("/health/orchestrator")).body;

  beforeEach(async () => {
    api = await startApi({ providers: ["openai", "xai"] });
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it("needs no token", async () => {
    expect(await health()).toEqual({
      envelope_verification_enabled: true,
      envelope_mode: "enforced",
      fallback: { causes: [], permitted_by: 0, verifiers: 0 },
      providers: {
        openai: { envelope_mode: "enforced", traffic_percentage: 100 },
        xai: { envelope_mode: "enforced", traffic_percentage: 100 },
      },
      kill_switch: { enabled: false, reason: "" },
      skew_window: null,
      current_key_id: "k2",
      generation: 1,
      verifiers: { total: 0, converged: 0, behind: 0, stale: 0 },
      users: {
        ...{
          confirmed: true,
          hears: "all",
          converged: 0,
          behind: 0,
          silent: 0,
          absent: 0,
          unknown: 0,
          left_off: 0,
        },
        by_name: {},
      },
    });
  });

  it("names the users whose verifiers have converged", async () => {
    api.plane.reports = [
      report("orchestrator", "converged"),
      report("orchestrator", "behind"),
      report("gateway-openai", "stale"),
    ];
    api.plane.hearing = hearing("all", { expected: ["orchestrator", "gateway-xai"] });
    const { verifiers, users } = await health();
    expect(verifiers).toEqual({ total: 3, converged: 1, behind: 1, stale: 1 });
    expect(users).toEqual({
      ...{
        confirmed: false,
        hears: "all",
        converged: 0,
        behind: 1,
        silent: 1,
        absent: 1,
        unknown: 0,
        left_off: 0,
      },
      by_name: {
        orchestrator: { total: 2, converged: 1, behind: 1, stale: 0, state: "behind" },
        "gateway-openai": { total: 1, converged: 0, behind: 0, stale: 1, state: "silent" },
        "gateway-xai": { total: 0, converged: 0, behind: 0, stale: 0, state: "absent" },
      },
    });
    expect((await orchestrators()).orchestrators).toEqual({
      orchestrator: { total: 2, converged: 1, behind: 1, stale: 0 },
      "gateway-openai": { total: 1, converged: 0, behind: 0, stale: 1 },
    });
  });

  it("names no actor, and no key while none is known", async () => {
    await post(kill());
    expect(JSON.stringify([await health(), await orchestrators()])).not.toContain("admin");
    await using mute = await startApi({ currentKeyId: () => undefined });
    expect((await mute.ask("/health/scbe")).body.current_key_id).toBeNull();
  });

  const off = { enabled: false };
  /** The mode when fallback is chosen for all causes; otherwise it is `disabled`. */
  const CASES: readonly [string, unknown[], enabled: boolean, mode: string][] = [
    ["a kill", [kill()], false, "fallback"],
    ["a kill for integrity", [kill({ cause: "integrity" })], false, "disabled"],
    ["a kill of one provider", [kill({ provider: "xai", cause: "integrity" })], true, "enforced"],
    [
      "kills of every provider",
      [kill({ provider: "xai", cause: "integrity" }), kill({ provider: "openai", cause: "integrity" })],
      false,
      "disabled",
    ],
    [
      "kills of every provider, one of which falls back",
      [kill({ provider: "xai", cause: "integrity" }), kill({ provider: "openai" })],
      false,
      "fallback",
    ],
    ["verification that is off", [flags({ enabled: false })], false, "fallback"],
    ["a provider that is off", [shares(["xai", off])], true, "enforced"],
    ["providers that are all off", [shares(["xai", off], ["openai", off])], false, "fallback"],
    ["a share of 5 %", [shares(["openai", { traffic_percentage: 5 }])], true, "enforced"],
    [
      "shares of nothing",
      [shares(["openai", { traffic_percentage: 0 }], ["xai", { traffic_percentage: 0 }])],
      false,
      "fallback",
    ],
  ];
  it.each(CASES)("with %s", async (_case, bodies, enabled, mode) => {
    for (const body of bodies) await post(body);
    const shown = async () => {
      const { envelope_mode: shownMode } = await orchestrators();
      expect(await health()).toMatchObject({
        envelope_verification_enabled: enabled,
        envelope_mode: shownMode,
      });
      return shownMode;
    };
    const refused = mode === "fallback" ? "disabled" : mode;
    expect(await shown()).toBe(refused);
    api.plane.chooseFallback("availability", "flags");
    expect(await shown()).toBe(mode);
    api.plane.reports = reportsOf({ converged: 2 }, false);
    expect(await shown()).toBe(refused);
    api.plane.reports = [...reportsOf({ converged: 2 }, false), ...reportsOf({ stale: 1 }, true)];
    expect(await shown()).toBe(mode);
    expect((await health()).fallback).toEqual({
      causes: ["availability", "flags"],
      permitted_by: 1,
      verifiers: 3,
    });
  });

  it("shows for each kill what happens to the traffic", async () => {
    api.plane.chooseFallback("availability");
    api.plane.reports = reportsOf({ converged: 1 }, true);
    await post(kill({ provider: "xai" }));
    const shown = async () => {
      const { kill_switch, providers } = await health();
      return [kill_switch.providers.xai.mode, providers.xai.envelope_mode];
    };
    expect(await shown()).toEqual(["fallback", "fallback"]);
    api.plane.reports = reportsOf({ converged: 1 }, false);
    expect(await shown()).toEqual(["disabled", "disabled"]);
  });
});
