import { describe, expect, test } from "vitest";
import {
  type CarriedFacts,
  type CarriedState,
  carriedLines,
  carriedState,
  NOTHING_CARRIED,
} from "./carried-state.ts";
import { Audit } from "./control-api.ts";
import { stepsToSkip } from "./demonstration.ts";

const SINCE = "2026-01-02T03:04:05.000Z";
const AT = Date.parse(SINCE);
const ON = { enabled: true, traffic_percentage: 100 };
const PROVIDERS = ["openai", "groq", "xai"];

const verification = (change: object = {}) => ({
  enabled: true,
  providers: Object.fromEntries(PROVIDERS.map((name) => [name, ON])),
  ...change,
});
const QUIET: CarriedFacts = {
  providers: PROVIDERS,
  flags: {
    scbe_envelope_verification: verification(),
    scbe_kill_switch: { enabled: false, reason: "" },
    skew_window: null,
  },
  trust: {
    providers: PROVIDERS.map((provider) => ({ provider, latch: null, calibration: null, cause: null })),
  },
  canaries: { canaries: [{ provider: "xai", state: "done", share: 100 }] },
  audit: { entries: [] },
};

function withFlags(
  change: Partial<CarriedFacts["flags"]>,
  entries: CarriedFacts["audit"]["entries"] = [],
): CarriedState {
  return carriedState({ ...QUIET, flags: { ...QUIET.flags, ...change }, audit: { entries } });
}

const entry = (action: string, by: string, at: number, before: unknown, after: unknown) => ({
  ...{ action, by, at, before, after },
  reason: `${by} said so`,
});
const control = {
  url: "http://127.0.0.1:7100",
  tokenFiles: { ADMIN_TOKEN_FILE: "/local/tokens/ADMIN_TOKEN" },
};
const text = (found: CarriedState): string => carriedLines(found, control).join("\n");

test("nothing is in force and nothing is reported when nothing was ordered", () => {
  expect(carriedState(QUIET)).toEqual(NOTHING_CARRIED);
  expect(text(NOTHING_CARRIED)).toBe("");
});

describe("what is in force is reported with its time, its author and the command that ends it", () => {
  const killed = { enabled: true, reason: "key leaked", cause: "integrity", since: SINCE };
  const audited = (all: object | null, providers: object = {}) => ({ kill_switch: { all, providers } });

  test("a kill of everything", () => {
    const found = withFlags({ scbe_kill_switch: killed }, [
      entry("flags", "admin", AT + 9, {}, audited({ by: "emergency", since: AT })),
      entry("kill", "emergency", AT, {}, audited({ by: "emergency", since: AT })),
    ]);
    expect(found.effects).toEqual({ openai: "refused", groq: "refused", xai: "refused" });
    expect(text(found)).toBe(`from an earlier run stands:
  the kill switch of everything is engaged (integrity): its requests are refused; by emergency, since ${SINCE}: "key leaked"
    release it: SCBE_CONTROL_URL=http://127.0.0.1:7100 ADMIN_TOKEN_FILE="/local/tokens/ADMIN_TOKEN" scripts/scbe-kill-switch.sh deactivate
npm start -- --fresh begins without any of it`);
  });

  test("a kill of one provider", () => {
    const found = withFlags(
      { scbe_kill_switch: { enabled: false, reason: "", providers: { groq: killed } } },
      [entry("kill", "admin", AT, {}, audited(null, { groq: { by: "admin", since: AT } }))],
    );
    expect(found.effects).toEqual({ groq: "refused" });
    expect(text(found)).toMatch(/the kill switch of groq .*by admin.*\n.*deactivate --provider groq\n/);
  });

  test("an entry of the audit can lack the state before it", () => {
    const { before: _, ...entered } = entry("trust", "trust-scorer", AT, {}, {});
    expect(Audit.parse({ entries: [entered] }).entries).toEqual([entered]);
  });

  test("a kill that is not in the newest entries of the audit", () => {
    expect(text(withFlags({ scbe_kill_switch: killed }))).toContain(
      "by whom is not in the newest entries of the audit",
    );
  });

  test("a flag that takes out a provider, or a share of its requests, with its last author", () => {
    const off = verification({
      providers: {
        openai: ON,
        groq: { enabled: false, traffic_percentage: 100 },
        xai: { enabled: true, traffic_percentage: 25 },
      },
    });
    const before = verification();
    const found = withFlags({ scbe_envelope_verification: off }, [
      entry(
        "kill",
        "emergency",
        AT + 5,
        { scbe_envelope_verification: off },
        { scbe_envelope_verification: off },
      ),
      entry(
        "flags",
        "admin",
        AT,
        { scbe_envelope_verification: before },
        { scbe_envelope_verification: off },
      ),
      entry(
        "flags",
        "a former admin",
        AT - 5,
        { scbe_envelope_verification: off },
        { scbe_envelope_verification: before },
      ),
    ]);
    expect(found.effects).toEqual({ groq: "refused", xai: "some" });
    expect(text(found)).toMatch(/the flag of groq leaves it 0 %.*by admin, since 2026-01-02/);
    expect(text(found)).toMatch(
      /the flag of xai leaves it 25 %.*\n {4}end it: printf .*\$\(cat .*curl --config - -X POST http:\/\/127\.0\.0\.1:7100\/feature-flags -d '\{"scbe_envelope_verification":\{"providers":\{"xai":\{"enabled":true,"traffic_percentage":100\}\}\}\}'/,
    );
  });

  test("verification that is off for all", () => {
    const found = withFlags({ scbe_envelope_verification: verification({ enabled: false }) });
    expect(found.effects).toEqual({ openai: "refused", groq: "refused", xai: "refused" });
    expect(text(found)).toContain(`-d '{"scbe_envelope_verification":{"enabled":true}}'`);
  });

  test("a canary, a latch, a calibration and a skew window", () => {
    const row = { latch: null, calibration: null, cause: null };
    const found = carriedState({
      ...QUIET,
      flags: { ...QUIET.flags, skew_window: { seconds: 300, until: SINCE, reason: "a clock is ahead" } },
      trust: {
        providers: [
          {
            ...row,
            provider: "openai",
            cause: "calibration",
            calibration: { score: 0, reason: "odd", at: SINCE },
          },
          {
            ...row,
            provider: "groq",
            cause: "nonce_reuse",
            latch: { cause: "nonce_reuse", since: SINCE, event: "e-1" },
          },
        ],
      },
      canaries: {
        canaries: [{ provider: "xai", state: "running", share: 100, why: "first", by: "admin", since: AT }],
      },
      audit: { entries: [entry("trust", "alice", AT, {}, { provider: "openai" })] },
    });
    expect(found.effects).toEqual({ groq: "refused" });
    expect(found.last).toEqual(["openai"]);
    const lines = text(found);
    expect(lines).toMatch(/the canary of xai is running, at 100 %.*by admin.*\n.*\/canary\/abort/);
    expect(lines).toMatch(/trust in groq is latched \(nonce_reuse\).*\n.*"clears":"e-1"/);
    expect(lines).toMatch(/set the trust in openai to 0.*by alice.*\n.*"trust_score":1/);
    expect(lines).toMatch(/300 s ahead.*\n {4}it ends by itself at 2026/);
  });
});

describe("the demonstration leaves out", () => {
  const requests = PROVIDERS.map((provider) => ({
    ...{ id: `${provider}-1`, provider, model: "m", intent: "chat", contentType: "application/json" },
    body: new Uint8Array(1),
  }));
  const skipped = (change: Partial<CarriedState>) =>
    Object.keys(stepsToSkip({ requests, carried: { ...NOTHING_CARRIED, ...change } })).sort();

  test("nothing when nothing is in force, or when enough other providers are left", () => {
    expect(skipped({})).toEqual([]);
    expect(skipped({ effects: { xai: "refused" } })).toEqual([]);
  });

  test("steps that need two providers when one is left", () => {
    expect(skipped({ effects: { xai: "refused", groq: "some" } })).toEqual(["attacks", "trust"]);
    expect(skipped({ last: ["xai", "groq"] })).toEqual(["trust"]);
  });

  test("everything but the requests when none is left", () => {
    const effects = Object.fromEntries(PROVIDERS.map((name) => [name, "refused" as const]));
    expect(skipped({ effects })).toEqual(["attacks", "kill", "plain", "trust"]);
  });

  test("the kill switch while a canary is under way, since a kill aborts it", () => {
    const canary = {
      kind: "canary",
      ...{ provider: "xai", what: "", reason: "", by: "", since: "" },
      release: { by: "post", path: "/canary/abort", body: {} },
    } as const;
    expect(skipped({ entries: [canary] })).toEqual(["kill"]);
  });

  test("the kill switch while a kill of everything is in force, since showing it would release that", () => {
    const kill = {
      kind: "kill",
      what: "",
      reason: "",
      by: "",
      since: "",
      release: { by: "kill switch" },
    } as const;
    expect(skipped({ entries: [kill] })).toEqual(["kill"]);
    expect(skipped({ entries: [{ ...kill, provider: "xai" }] })).toEqual([]);
  });
});
