import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { type System, startSystem, TOKENS } from "../kit/system.ts";
import { type WatchedVerifier, watchedVerifier } from "./watched-verifier.ts";

/**
 * An attacker with a stolen webhook token, or without a token, releases no kill and causes no unsealed traffic. The deployment permits
 * fallback, which gives an attacker the most to gain. The controller accepts 30 failed requests a minute; these tests send fewer.
 */

const stack = new AsyncDisposableStack();
let system: System;
let api: ControlApi;
let verifier: WatchedVerifier;

beforeAll(async () => {
  system = stack.use(await startSystem({ providers: ["openai"], controller: true, fallback: true }));
  api = new ControlApi(system);
  verifier = stack.use(await watchedVerifier(system, "orchestrator"));
  const gateway = stack.use(await watchedVerifier(system, "gateway-openai"));
  await gateway.client.serve({ provider: "openai", handler: ({ body }) => ({ body }) });
});
afterAll(() => stack.disposeAsync());

const REQUEST = {
  provider: "openai",
  model: "m",
  intent: "chat",
  body: Buffer.from("Hello"),
  timeoutMs: 5000,
};
const STOLEN = TOKENS.SCBE_ALERTMANAGER_TOKEN;
const RELEASE = { scbe_kill_switch: { enabled: false, reason: "all is well" } };
const UNSEAL = { scbe_envelope_verification: { enabled: false }, reason: "a test" };
const SHARE = { scbe_envelope_verification: { providers: { openai: { traffic_percentage: 0 } } } };
const KILL = { scbe_kill_switch: { enabled: true, reason: "unseal", cause: "availability" } };
const SKEW = { seconds: 300, duration: "10m", reason: "late" };

async function post(path: string, body: unknown, token?: string): Promise<number> {
  const answer = await fetch(`${system.controller?.apiUrl}${path}`, {
    method: "POST",
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  await answer.body?.cancel();
  return answer.status;
}

const alert = (alertname: string, status: string, more: object = {}) => ({
  status,
  labels: { alertname, provider: "openai", ...more },
  annotations: {},
  startsAt: new Date().toISOString(),
  fingerprint: crypto.randomUUID().replaceAll("-", ""),
});
const webhook = (...alerts: ReturnType<typeof alert>[]) => ({
  version: "4",
  status: alerts[0]?.status,
  groupKey: "g",
  groupLabels: {},
  alerts,
});

/** No forgery changes the generation, and with it nothing in the document. */
const inForce = async (): Promise<unknown[]> => [
  await verifier.generation(),
  await verifier.isKilled(),
  await api.mode(),
];

describe.each([
  ["while everything is sealed", async (): Promise<void> => undefined, "sealed"],
  ["during a kill for integrity", (): Promise<void> => api.kill("integrity"), "refused"],
] as const)("%s", (_, bring, way) => {
  beforeAll(bring);

  /** Traffic travels as before. */
  async function expectUnchanged(before: unknown): Promise<void> {
    expect(await inForce()).toEqual(before);
    const asking = verifier.client.request(REQUEST);
    if (way === "sealed") expect(await asking).toMatchObject({ isSealed: true });
    else await expect(asking).rejects.toMatchObject({ code: "SWITCHED_OFF" });
  }

  test.each([
    ["/feature-flags", RELEASE],
    ["/feature-flags", UNSEAL],
    ["/feature-flags", SHARE],
    ["/feature-flags", KILL],
    ["/admin/scbe/skew-window", SKEW],
    ["/canary", { provider: "openai", reason: "a test" }],
    ["/canary/resume", { provider: "openai", reason: "a test" }],
  ])("a stolen webhook token may not post to %s", async (path, body) => {
    const before = await inForce();
    expect(await post(path, body, STOLEN)).toBe(403);
    await expectUnchanged(before);
  });

  test("a request without a token, or with only the start of a valid one, posts nothing", async () => {
    const before = await inForce();
    expect(await post("/feature-flags", RELEASE, `${TOKENS.ADMIN_TOKEN}x`)).toBe(401);
    expect(await post("/webhooks/alertmanager", RELEASE)).toBe(401);
    await expectUnchanged(before);
  });

  test("a stolen webhook token reads neither flags nor audit", async () => {
    for (const path of ["/feature-flags", "/audit"]) {
      const headers = { authorization: `Bearer ${STOLEN}` };
      const answer = await fetch(`${system.controller?.apiUrl}${path}`, { headers });
      expect(answer.status).toBe(403);
      await answer.body?.cancel();
    }
  });

  test("the emergency token engages kills, and releases none", async () => {
    const before = await inForce();
    for (const body of [RELEASE, UNSEAL, SHARE, { ...KILL, ...UNSEAL }, { ...KILL, ...SHARE }])
      expect(await post("/feature-flags", body, TOKENS.EMERGENCY_TOKEN)).toBe(403);
    expect(await post("/admin/scbe/skew-window", SKEW, TOKENS.EMERGENCY_TOKEN)).toBe(403);
    await expectUnchanged(before);
  });

  test.each([RELEASE, UNSEAL, SHARE, KILL, SKEW])(
    "the webhook refuses an administrator's body: %j",
    async (body) => {
      const before = await inForce();
      expect(await post("/webhooks/alertmanager", body, STOLEN)).toBe(400);
      expect(await post("/webhooks/alertmanager", body, TOKENS.ADMIN_TOKEN)).toBe(400);
      await expectUnchanged(before);
    },
  );

  test.each([
    [
      "an administrator's body beside its own",
      { ...webhook(alert("Watchdog", "firing")), ...RELEASE, ...UNSEAL },
    ],
    [
      "safety alerts that are resolved",
      webhook(
        alert("SCBENonceReuse", "resolved"),
        alert("SCBEGCMFailureRate", "resolved"),
        alert("SCBEHighLatency", "resolved"),
      ),
    ],
    [
      "unknown alerts",
      webhook(
        alert("SCBEReleaseKillSwitch", "firing"),
        alert("__proto__", "firing"),
        alert("constructor", "firing"),
        alert("scbenoncereuse", "firing"),
      ),
    ],
    ["no alerts", webhook()],
    [
      "labels that look like orders",
      webhook(
        alert("Unknown", "firing", { enabled: "false", cause: "availability", traffic_percentage: "0" }),
      ),
    ],
  ])("the webhook changes nothing over %s", async (_, body) => {
    const before = await inForce();
    const status = await post(
      "/webhooks/alertmanager",
      { ...body, status: body.status ?? "resolved" },
      STOLEN,
    );
    expect(status).toBe(200);
    await expectUnchanged(before);
  });
});

describe("traffic that a kill for integrity refuses stays refused after a kill for availability", () => {
  const unknown = { provider: "unknown" };
  test.each([
    [
      "of everything, by alerts",
      {},
      webhook(alert("SCBEHighLatency", "firing"), alert("SCBEPhaseSkew", "firing")),
    ],
    [
      "of everything, by an alert of an unknown provider",
      {},
      webhook(alert("SCBEHighLatency", "firing", unknown)),
    ],
    ["of one provider, by its alert", { provider: "openai" }, webhook(alert("SCBEHighLatency", "firing"))],
    [
      "of one provider, by an alert of everything",
      { provider: "openai" },
      webhook(alert("SCBEHighLatency", "firing", unknown)),
    ],
  ])("%s", async (_, scope, body) => {
    await api.release();
    await api.release({ provider: "openai" });
    expect(await verifier.client.request(REQUEST)).toMatchObject({ isSealed: true });
    await api.kill("integrity", scope);
    // One firing acts once, so the firing of the previous test has to end first.
    const ended = webhook(...body.alerts.map((told) => ({ ...told, status: "resolved" })));
    expect(await post("/webhooks/alertmanager", ended, STOLEN)).toBe(200);
    expect(await post("/webhooks/alertmanager", body, STOLEN)).toBe(200);
    await api.kill("availability");
    await expect(verifier.client.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
  });
});
