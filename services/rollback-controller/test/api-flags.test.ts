import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN, ALERTS, EMERGENCY, PROVIDERS, reportsOf, startApi, type TestApi } from "./api-kit.ts";

const flagsOf = (percentage: unknown) =>
  `{"scbe_envelope_verification":{"providers":{"openai":{"traffic_percentage":${percentage}}}}}`;
const kill = (more: object = {}) => ({
  scbe_kill_switch: { enabled: true, reason: "GCM failure spike", ...more },
});
const release = (more: object = {}) => ({
  scbe_kill_switch: { enabled: false, reason: "found it", ...more },
});
const ALL_ON = Object.fromEntries(
  PROVIDERS.map((name) => [name, { enabled: true, traffic_percentage: 100 }]),
);

describe("the feature flags", () => {
  let api: TestApi;
  const post = (body: unknown, token = ADMIN) => api.ask("/feature-flags", { token, body });
  const get = async () => (await api.ask("/feature-flags", { token: ADMIN })).body;

  beforeEach(async () => {
    api = await startApi();
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it("are answered in the shape in which they are changed, with every provider", async () => {
    expect(await get()).toEqual({
      scbe_envelope_verification: { enabled: true, providers: ALL_ON },
      scbe_kill_switch: { enabled: false, reason: "" },
      scbe_fallback: { causes: [], permitted_by: 0, verifiers: 0 },
      skew_window: null,
      generation: 1,
      issued_at: "2023-11-14T22:13:20.000Z",
      warnings: [],
    });
  });

  it("are merged: what a body does not name stays as it is", async () => {
    await post(flagsOf(5));
    const answer = await post({ scbe_envelope_verification: { providers: { xai: { enabled: false } } } });
    expect(answer.status).toBe(200);
    expect(answer.body.scbe_envelope_verification).toEqual({
      enabled: true,
      providers: {
        ...ALL_ON,
        openai: { enabled: true, traffic_percentage: 5 },
        xai: { enabled: false, traffic_percentage: 100 },
      },
    });
    expect(answer.body.generation).toBe(3);
  });

  it("are read with any content type, since curl labels a body as a form", async () => {
    for (const type of [
      "application/x-www-form-urlencoded",
      "text/plain",
      "application/json; charset=utf-8",
    ]) {
      const answer = await api.ask("/feature-flags", { token: ADMIN, body: flagsOf(25), type });
      expect([type, answer.status]).toEqual([type, 200]);
    }
  });

  it("lose no update of two concurrent writers, even if one read before the other wrote", async () => {
    api.plane.meanwhile = () => {
      const { plane } = api;
      if (plane.state !== undefined)
        plane.state = {
          ...plane.state,
          generation: 2,
          scbe_envelope_verification: {
            enabled: true,
            providers: { groq: { enabled: true, traffic_percentage: 50 } },
          },
        };
    };
    const { body } = await post(flagsOf(5));
    expect(body.scbe_envelope_verification.providers).toMatchObject({
      openai: { traffic_percentage: 5 },
      groq: { traffic_percentage: 50 },
    });
  });

  const WRONG: Record<string, [body: string, field: string]> = {
    "a percentage of 101": [flagsOf(101), "scbe_envelope_verification.providers.openai.traffic_percentage"],
    "a negative percentage": [flagsOf(-1), "scbe_envelope_verification.providers.openai.traffic_percentage"],
    NaN: [flagsOf("NaN"), "scbe_envelope_verification.providers.openai.traffic_percentage"],
    "a broken percentage": [flagsOf(1.5), "scbe_envelope_verification.providers.openai.traffic_percentage"],
    "a percentage as text": [
      flagsOf('"5"'),
      "scbe_envelope_verification.providers.openai.traffic_percentage",
    ],
    null: [flagsOf("null"), "scbe_envelope_verification.providers.openai.traffic_percentage"],
    "a number that is infinite": [
      flagsOf("1e999"),
      "scbe_envelope_verification.providers.openai.traffic_percentage",
    ],
    "a provider that is not served": [
      '{"scbe_envelope_verification":{"providers":{"openia":{"traffic_percentage":5}}}}',
      "scbe_envelope_verification.providers.openia",
    ],
    "a provider that every object has": [
      '{"scbe_envelope_verification":{"providers":{"constructor":{"traffic_percentage":5}}}}',
      "scbe_envelope_verification.providers.constructor",
    ],
    "a provider that no object shows": [
      '{"scbe_envelope_verification":{"providers":{"__proto__":{"traffic_percentage":5}}}}',
      "scbe_envelope_verification.providers.__proto__",
    ],
    "a name that is none": [
      '{"scbe_envelope_verification":{"providers":{"Open AI":{}}}}',
      "scbe_envelope_verification.providers.Open AI",
    ],
    "an unknown field": [
      '{"scbe_envelope_verification":{"enable":false}}',
      "scbe_envelope_verification.enable",
    ],
    "an unknown field at the top": ['{"scbe_kill_swich":{"enabled":true,"reason":"x"}}', "scbe_kill_swich"],
    "a key that occurs twice": [
      '{"scbe_envelope_verification":{"providers":{"openai":{"traffic_percentage":100,"traffic_percentage":0}}}}',
      "scbe_envelope_verification.providers.openai.traffic_percentage",
    ],
    "a key that occurs twice, once escaped": [
      '{"scbe_kill_switch":{"enabled":false,"en\\u0061bled":true,"reason":"x"}}',
      "scbe_kill_switch.enabled",
    ],
    "a kill without a reason": ['{"scbe_kill_switch":{"enabled":true}}', "scbe_kill_switch.reason"],
    "a kill with an empty reason": [
      '{"scbe_kill_switch":{"enabled":true,"reason":"  "}}',
      "scbe_kill_switch.reason",
    ],
    "a reason that is half a character": [
      '{"scbe_kill_switch":{"enabled":true,"reason":"\\ud800"}}',
      "scbe_kill_switch.reason",
    ],
    "a reason of two lines": [
      '{"scbe_kill_switch":{"enabled":true,"reason":"a\\nb"}}',
      "scbe_kill_switch.reason",
    ],
    "a kill that is neither on nor off": ['{"scbe_kill_switch":{"reason":"x"}}', "scbe_kill_switch.enabled"],
    "a kill of an unknown provider": [
      '{"scbe_kill_switch":{"enabled":true,"reason":"x","provider":"openia"}}',
      "scbe_kill_switch.provider",
    ],
    "a cause that is none": [
      '{"scbe_kill_switch":{"enabled":true,"reason":"x","cause":"mood"}}',
      "scbe_kill_switch.cause",
    ],
    "good flags beside a bad kill": [
      `${flagsOf(5).slice(0, -1)},"scbe_kill_switch":{"enabled":true}}`,
      "scbe_kill_switch.reason",
    ],
    "no body": ["", "body"],
    "no object": ["[]", "body"],
    "no JSON": ["enabled=true", "body"],
    "a body that goes on and on": ["[".repeat(60_000), "0.0.0.0"],
  };
  it.each(Object.entries(WRONG))(
    "are not changed by %s: 400 that names the field",
    async (_case, [body, field]) => {
      const before = api.plane.state;
      const answer = await post(body);
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({ code: "BAD_REQUEST" });
      expect(answer.body.fields.map((it: { field: string }) => it.field)).toEqual([field]);
      expect(answer.body.title).toContain(field);
      expect(api.plane.state).toBe(before);
    },
  );

  it("refuse a body that is too large", async () => {
    const answer = await post({ reason: "x".repeat(70_000) });
    expect([answer.status, answer.body.code]).toEqual([413, "TOO_LARGE"]);
  });

  it("warn of the traffic outside of a share, and of all traffic while they are off", async () => {
    const warnings = async (body: unknown) => (await post(body)).body.warnings;
    expect(await warnings(flagsOf(5))).toEqual([
      "openai: 95 % of its traffic is refused: fallback is not chosen for flags (scbe_fallback)",
    ]);
    const chosen = await warnings({ scbe_fallback: { causes: ["flags"], reason: "canary" } });
    expect(chosen).toEqual(["openai: 95 % of its traffic goes unsealed"]);
    api.plane.reports = reportsOf({ converged: 2 }, false);
    expect(await warnings({})).toEqual([
      "openai: 95 % of its traffic is refused: no verifier permits fallback (SCBE_FALLBACK)",
    ]);
    api.plane.reports = [...api.plane.reports, ...reportsOf({ converged: 1 }, true)];
    expect(await warnings({ scbe_envelope_verification: { enabled: false } })).toEqual([
      "scbe_envelope_verification.enabled is false: all traffic goes unsealed at 1 of 3 verifiers, and is refused at the others",
    ]);
  });

  describe("with the choice of fallback", () => {
    const choose = (causes: unknown, reason = "the canary starts", token = ADMIN) =>
      post({ scbe_fallback: { causes, reason } }, token);

    it("replace the choice before, and show how many verifiers permit it", async () => {
      api.plane.reports = reportsOf({ converged: 2 }, true);
      const both = await choose(["flags", "availability", "flags"].slice(0, 2));
      expect(both.body.scbe_fallback).toEqual({
        causes: ["availability", "flags"],
        permitted_by: 2,
        verifiers: 2,
      });
      expect(both.body.warnings).toEqual([
        "fallback is chosen for availability: each kill for that cause, by an alert too, has traffic go unsealed",
      ]);
      expect((await choose([], "no more")).body.scbe_fallback.causes).toEqual([]);
      expect(api.plane.actors).toEqual([
        { by: "admin", reason: "the canary starts" },
        { by: "admin", reason: "no more" },
      ]);
    });

    it("apply to a kill that is engaged, from then on", async () => {
      expect((await post(kill())).body.scbe_kill_switch.mode).toBe("disabled");
      expect((await choose(["availability"])).body.scbe_kill_switch.mode).toBe("fallback");
      expect((await choose([])).body.scbe_kill_switch.mode).toBe("disabled");
      await post(kill({ cause: "integrity" }));
      expect((await choose(["availability", "flags"])).body.scbe_kill_switch.mode).toBe("disabled");
    });

    it.each([
      ["integrity", ["integrity"], "because"],
      ["a cause that is none", ["all"], "because"],
      ["no list", "availability", "because"],
      ["no reason", ["flags"], " "],
    ])("refuse %s", async (_case, causes, reason) => {
      const answer = await choose(causes, reason);
      expect([answer.status, answer.body.fields[0].field]).toEqual([
        400,
        expect.stringMatching(/^scbe_fallback\./),
      ]);
      expect(api.plane.state?.fallback).toEqual({ causes: [] });
    });

    it("are refused to the emergency token, alone or beside its kill", async () => {
      const fallback = { scbe_fallback: { causes: ["availability"], reason: "unseal" } };
      for (const body of [fallback, { ...fallback, ...kill() }])
        expect((await post(body, EMERGENCY)).status).toBe(403);
      expect(api.plane.state).toMatchObject({ fallback: { causes: [] }, kill_switch: { all: null } });
    });

    it("cannot be made by the body of a kill", async () => {
      for (const more of [{ mode: "fallback" }, { fallback: true }])
        expect((await post(kill(more))).status).toBe(400);
    });
  });

  describe("with the kill switch", () => {
    it("refuses traffic, and no other cause weakens integrity", async () => {
      const first = await post(kill());
      expect(first.body.scbe_kill_switch).toMatchObject({
        enabled: true,
        reason: "GCM failure spike",
        mode: "disabled",
        cause: "availability",
      });
      const second = await post(kill({ cause: "integrity" }));
      expect(second.body.scbe_kill_switch).toMatchObject({ cause: "integrity" });
      const third = await post(kill());
      expect(third.body.scbe_kill_switch).toMatchObject({ cause: "integrity" });
    });

    it("audits the name of the token and the reason, and never the token", async () => {
      await post(kill(), EMERGENCY);
      await post(flagsOf(5));
      await post({ reason: "canary by hand", ...JSON.parse(flagsOf(6)) });
      expect(api.plane.actors).toEqual([
        { by: "emergency", reason: "GCM failure spike" },
        { by: "admin", reason: "no reason given" },
        { by: "admin", reason: "canary by hand" },
      ]);
      expect(JSON.stringify([await get(), api.plane.state])).not.toContain(EMERGENCY);
    });

    it("kills one provider, and warns that this kill has a release of its own", async () => {
      const { body } = await post(kill({ provider: "groq" }));
      expect(body.scbe_kill_switch).toMatchObject({
        enabled: false,
        providers: { groq: { enabled: true, mode: "disabled" } },
      });
      const all = await post(release());
      expect(all.body.scbe_kill_switch.providers).toHaveProperty("groq");
      expect(all.body.warnings).toEqual([expect.stringContaining('"provider": "groq"')]);
      expect((await post(release({ provider: "groq" }))).body.scbe_kill_switch).toEqual({
        enabled: false,
        reason: "",
      });
    });

    it("accepts flags and a kill in one body", async () => {
      const { body } = await post({ ...JSON.parse(flagsOf(5)), ...kill() });
      expect(body).toMatchObject({
        scbe_envelope_verification: { providers: { openai: { traffic_percentage: 5 } } },
        scbe_kill_switch: { enabled: true },
      });
    });

    it("engages even if the rest of the body fails, and says so", async () => {
      api.plane.isAway = true;
      const answer = await post({ ...JSON.parse(flagsOf(5)), ...kill() });
      expect(answer.status).toBe(503);
      expect(answer.body).toMatchObject({ code: "NOT_READY", kill_switch_engaged: true });
      expect(api.plane.state?.kill_switch.all?.cause).toBe("availability");
    });

    it("is not released by a file of flags that is posted again: a release needs a reason", async () => {
      const FILE = {
        scbe_envelope_verification: { enabled: true },
        scbe_kill_switch: { enabled: false, reason: "" },
      };
      expect((await post(FILE)).status).toBe(200);
      await post(kill());
      const answer = await post(FILE);
      expect([answer.status, answer.body.fields[0].field]).toEqual([400, "scbe_kill_switch.reason"]);
      expect((await get()).scbe_kill_switch.enabled).toBe(true);
      expect((await post(release())).body.scbe_kill_switch).toEqual({ enabled: false, reason: "" });
    });

    it("stays engaged when another kill comes during its release: 409", async () => {
      await post(kill());
      api.plane.meanwhile = () => {
        api.plane.killNow({ cause: "integrity" }, { by: "security event", reason: "nonce reuse" });
      };
      const answer = await post(release());
      expect([answer.status, answer.body.code]).toEqual([409, "CONFLICT"]);
      expect((await get()).scbe_kill_switch).toMatchObject({ enabled: true, reason: "nonce reuse" });
    });

    const TOO_MUCH: Record<string, unknown> = {
      "a release": release(),
      "a release of a provider": release({ provider: "xai" }),
      "flags beside a kill": { ...JSON.parse(flagsOf(5)), ...kill() },
      flags: JSON.parse(flagsOf(5)),
      nothing: {},
    };
    it.each(Object.entries(TOO_MUCH))(
      "with the emergency token accepts kills, and not %s: 403",
      async (_case, body) => {
        const answer = await post(body, EMERGENCY);
        expect([answer.status, answer.body.code]).toEqual([403, "FORBIDDEN"]);
        expect(answer.body.title).toContain("needs the role admin");
        expect(api.plane.state?.generation).toBe(1);
      },
    );

    it("accepts nothing with Alertmanager's token", async () => {
      expect((await post(kill(), ALERTS)).status).toBe(403);
      expect(api.plane.state?.generation).toBe(1);
    });
  });

  it("answer 503 before the control document was read", async () => {
    api.plane.state = undefined;
    for (const path of ["/feature-flags", "/health/scbe", "/health/orchestrator"]) {
      const answer = await api.ask(path, { token: ADMIN });
      expect([path, answer.status, answer.body.code]).toEqual([path, 503, "NOT_READY"]);
    }
  });
});
