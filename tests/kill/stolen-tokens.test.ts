import { eventually } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { Finder, needlesOfBody } from "../kit/find-bytes.ts";
import { type System, startSystem, TOKENS } from "../kit/system.ts";
import { startTap, type Tap } from "../kit/tap.ts";
import { type WatchedVerifier, watchedVerifier } from "./watched-verifier.ts";

/**
 * Every process and the server permit fallback, and a listener hears the whole bus: stolen tokens cause no traffic in the clear.
 */

const stack = new AsyncDisposableStack();
const BODY = Buffer.from("a body that must not be read by others, 4711");
const finder = new Finder(needlesOfBody("the body", BODY));
const CAUSES = ["availability", "integrity"] as const;
let system: System;
let api: ControlApi;
let tap: Tap;
let orchestrator: WatchedVerifier;

beforeAll(async () => {
  system = stack.use(
    await startSystem({
      providers: ["openai"],
      controller: true,
      fallback: true,
      onNats: async (nats) => {
        tap = stack.use(await startTap(nats));
      },
    }),
  );
  api = new ControlApi(system);
  orchestrator = stack.use(await watchedVerifier(system, "orchestrator"));
  const gateway = stack.use(await watchedVerifier(system, "gateway-openai"));
  await gateway.client.serve({ provider: "openai", handler: ({ body }) => ({ body }) });
});
afterAll(() => stack.disposeAsync());
afterEach(async () => {
  await api.release();
  await api.release({ provider: "openai" });
  await api.chooseFallback();
  await api.flags({ enabled: true, providers: { openai: { enabled: true, traffic_percentage: 100 } } });
});

const ask = () =>
  orchestrator.client.request({
    provider: "openai",
    model: "m",
    intent: "chat",
    body: BODY,
    timeoutMs: 5000,
  });
const post = async (path: string, body: unknown, token: string): Promise<number> => {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${system.controller?.apiUrl}${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  await answer.body?.cancel();
  return answer.status;
};
/** True if a request travels unsealed with its body readable on the bus. */
async function isInTheClear(): Promise<boolean> {
  const before = tap.messages.length;
  const answer = await ask().catch((error: unknown) => error as Error);
  const isSeen = tap.messages.slice(before).some(({ bytes }) => finder.find(bytes).length > 0);
  if (answer instanceof Error) expect(answer).toMatchObject({ code: "SWITCHED_OFF" });
  else expect(answer.isSealed).toBe(!isSeen);
  return isSeen;
}

test("while nothing is switched off, nothing travels in the clear, and the listener would see it", async () => {
  await eventually(async () => (await ask()).isSealed);
  expect(await isInTheClear()).toBe(false);
});

describe("a stolen emergency token puts nothing on the bus in the clear", () => {
  const kill = (more: object) => ({ scbe_kill_switch: { enabled: true, reason: "unseal", ...more } });
  const ORDERS: [what: string, body: object, status: number][] = [
    ...CAUSES.map((cause) => ["a kill of everything", kill({ cause }), 200] as [string, object, number]),
    ...CAUSES.map(
      (cause) =>
        ["a kill of a provider", kill({ cause, provider: "openai" }), 200] as [string, object, number],
    ),
    ["a kill with a mode", kill({ mode: "fallback" }), 400],
    ["a choice of fallback", { scbe_fallback: { causes: ["availability"], reason: "unseal" } }, 403],
    [
      "a kill with a choice of fallback",
      { ...kill({}), scbe_fallback: { causes: ["availability"], reason: "unseal" } },
      403,
    ],
    ["a kill with flags", { ...kill({}), scbe_envelope_verification: { enabled: false } }, 403],
  ];
  test.each(ORDERS)("%s: %j", async (_, body, status) => {
    expect(await post("/feature-flags", body, TOKENS.EMERGENCY_TOKEN)).toBe(status);
    if (status === 200) await eventually(() => orchestrator.isKilled());
    expect(await isInTheClear()).toBe(false);
  });
});

describe("a stolen webhook token puts nothing on the bus in the clear", () => {
  const alert = (alertname: string, more: object = {}) => ({
    status: "firing",
    labels: { alertname, provider: "openai", ...more },
    annotations: {},
    startsAt: new Date().toISOString(),
    fingerprint: crypto.randomUUID().replaceAll("-", ""),
  });
  test.each([
    ["SCBEPhaseSkew", {}],
    ["SCBEHighLatency", {}],
    ["SCBEHighLatency", { provider: "unknown" }],
    ["SCBEGCMFailureRate", {}],
    ["SCBENonceReuse", {}],
    ["SCBEPhaseSkew", { mode: "fallback", fallback: "availability", cause: "availability" }],
  ])("%s %j", async (alertname, labels) => {
    const firing = alert(alertname, labels);
    const postAlert = (status: "firing" | "resolved"): Promise<number> => {
      const alerts = [
        { ...firing, status, ...(status === "resolved" && { endsAt: new Date().toISOString() }) },
      ];
      const body = { version: "4", status, groupKey: crypto.randomUUID(), groupLabels: {}, alerts };
      return post("/webhooks/alertmanager", body, TOKENS.SCBE_ALERTMANAGER_TOKEN);
    };
    expect(await postAlert("firing")).toBe(200);
    await eventually(() => orchestrator.isKilled());
    expect(await isInTheClear()).toBe(false);
    const choice = { scbe_fallback: { causes: ["availability"], reason: "unseal" } };
    expect(await post("/feature-flags", choice, TOKENS.SCBE_ALERTMANAGER_TOKEN)).toBe(403);
    expect(await isInTheClear()).toBe(false);
    // Otherwise the next alert of this trigger belongs to the same firing, which acts once.
    expect(await postAlert("resolved")).toBe(200);
  });
});

describe("an administrator's choice of fallback puts traffic on the bus in the clear", () => {
  test("for availability, before and during a kill, and never for integrity", async () => {
    await api.chooseFallback("availability");
    await api.kill("availability");
    expect([await api.mode(), await isInTheClear()]).toEqual(["fallback", true]);
    await api.chooseFallback();
    expect([await api.mode(), await isInTheClear()]).toEqual(["disabled", false]);
    await api.chooseFallback("availability", "flags");
    expect(await isInTheClear()).toBe(true);
    await api.kill("integrity");
    expect([await api.mode(), await isInTheClear()]).toEqual(["disabled", false]);
  });

  test("for flags, which without it refuse the requests outside the share", async () => {
    await api.flags({ providers: { openai: { traffic_percentage: 0 } } });
    expect([await api.mode(), await isInTheClear()]).toEqual(["disabled", false]);
    await api.chooseFallback("availability");
    expect(await isInTheClear()).toBe(false);
    await api.chooseFallback("flags");
    expect([await api.mode(), await isInTheClear()]).toEqual(["fallback", true]);
  });
});
