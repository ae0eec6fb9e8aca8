import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { VerifierReport } from "../src/ports.ts";
import { ADMIN, startApi, type TestApi } from "./api-kit.ts";

const report = (name: string, state: VerifierReport["state"]): VerifierReport => ({
  ...{ name, state, generation: 1, ageMs: 10 },
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

  it("is told without a token", async () => {
    expect(await health()).toEqual({
      envelope_verification_enabled: true,
      envelope_mode: "enforced",
      fallback_permitted: false,
      providers: {
        openai: { envelope_mode: "enforced", traffic_percentage: 100 },
        xai: { envelope_mode: "enforced", traffic_percentage: 100 },
      },
      kill_switch: { enabled: false, reason: "" },
      skew_window: null,
      current_key_id: "k2",
      generation: 1,
      verifiers: { total: 0, converged: 0, behind: 0, stale: 0 },
    });
  });

  it("tells who has converged, by name", async () => {
    api.plane.reports = [
      report("orchestrator", "converged"),
      report("orchestrator", "behind"),
      report("gateway-openai", "stale"),
    ];
    expect((await health()).verifiers).toEqual({ total: 3, converged: 1, behind: 1, stale: 1 });
    expect((await orchestrators()).orchestrators).toEqual({
      orchestrator: { total: 2, converged: 1, behind: 1, stale: 0 },
      "gateway-openai": { total: 1, converged: 0, behind: 0, stale: 1 },
    });
  });

  it("says neither whose token it was nor that there is a key when none is known", async () => {
    await post(kill());
    expect(JSON.stringify([await health(), await orchestrators()])).not.toContain("ADMIN_TOKEN");
    await using mute = await startApi({ currentKeyId: () => undefined });
    expect((await mute.ask("/health/scbe")).body.current_key_id).toBeNull();
  });

  const off = { enabled: false };
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
    expect(await health()).toMatchObject({ envelope_verification_enabled: enabled, envelope_mode: mode });
    expect(await orchestrators()).toMatchObject({ envelope_mode: mode });
  });
});
