import { randomUUID } from "node:crypto";
import { BUCKETS, KV_KEYS, type NonceReuseEvent, subjectOf, writeMessage } from "@scbe/contracts";
import { createStoreHost, eventually, requireTool, type Sample } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shortened, THRESHOLDS } from "#monitoring/thresholds.ts";
import { ControlApi } from "../kit/control-api.ts";
import { scrape, sumOf } from "../kit/scrape.ts";
import { type System, TOKENS } from "../kit/system.ts";
import type { CauseName } from "./alert-causes.ts";
import { type AlertStage, QUIET, startAlertStage } from "./alert-stage.ts";
import { quietConditions, safetyAlerts } from "./watch.ts";

/*
 * Real Prometheus and Alertmanager with the configuration of infra/, except for hosts and times, over a running SCBE with its
 * controller: which alerts switch off what, and which conditions do not.
 */

const missing = (["prometheus", "alertmanager"] as const).filter((name) => !requireTool(name).ok);

/** Shortens every window, every `for`, the scrape interval and Alertmanager's times. */
const TIMES = 30;
const MINUTE_MS = 60_000;
const thresholds = shortened(THRESHOLDS, TIMES);

/** Conditions that must not switch anything off: one failure, a burst, an idle instance. `quiet` has no data at all. */
const HARMLESS = ["single", "burst", "idle"] as const satisfies readonly CauseName[];
const TRIGGERS = ["ahead", "forged", "starved", "reused"] as const satisfies readonly CauseName[];
/** For alerts that have to fire first. The API limits the rate of requests. */
const PATIENT = { timeoutMs: 90_000, everyMs: 300 };
const SOON = { timeoutMs: 20_000, everyMs: 300 };

let stage: AlertStage;
let api: ControlApi;

describe.skipIf(missing.length > 0)(`alerts that switch a running SCBE off, ${TIMES} times as fast`, () => {
  let skewed: AsyncDisposable;

  beforeAll(async () => {
    stage = await startAlertStage({
      rollback: true,
      causes: [...HARMLESS, ...TRIGGERS],
      thresholds,
      burstMs: 30_000 / TIMES,
      alertResendDelayMs: MINUTE_MS / TIMES,
      routeTimes: {
        safetyGroupIntervalMs: Math.round(10_000 / TIMES),
        safetyRepeatIntervalMs: MINUTE_MS / TIMES,
        watchdogIntervalMs: MINUTE_MS / TIMES,
      },
    });
    api = new ControlApi(stage.system);
    stage.begin(...HARMLESS);
    skewed = stage.begin("ahead");
  }, 120_000);
  afterAll(() => stage?.[Symbol.asyncDispose]());

  test("Alertmanager reaches the controller with its token: the Watchdog arrives", async () => {
    await eventually(async () => (await alertsWith("watchdog")) > 0, SOON);
  });

  test("wrong clocks have only that provider refused, since no fallback was chosen", async () => {
    await expectSwitchedOff("SCBEPhaseSkew", "ahead", { mode: "disabled", says: /P99 phase skew: \d+ms/ });
  }, 100_000);

  test("a kill that an administrator released stays released while the same alert continues", async () => {
    const known = await alertsWith("known");
    await api.release({ provider: "ahead" });
    await eventually(async () => (await alertsWith("known")) >= known + 3, SOON);
    expect(await firing("SCBEPhaseSkew", "ahead")).toBe(true);
    expect(await modeOf("ahead")).toBe("enforced");
    expect(await killsBy("alert:SCBEPhaseSkew:ahead")).toHaveLength(1);
  }, 40_000);

  test("a new firing of that alert switches off again", async () => {
    await skewed[Symbol.asyncDispose]();
    stage.begin("forged", "starved");
    await eventually(async () => !(await firing("SCBEPhaseSkew", "ahead")), SOON);
    stage.begin("ahead");
    await eventually(async () => (await modeOf("ahead")) === "disabled", PATIENT);
    await eventually(async () => (await killsBy("alert:SCBEPhaseSkew:ahead")).length === 2, SOON);
  }, 120_000);

  test("failing tags have only that provider refused", async () => {
    await expectSwitchedOff("SCBEGCMFailureRate", "forged", {
      mode: "disabled",
      says: /GCM authentication failures: \S+% of the tags/,
    });
  }, 100_000);

  test("slow verification has only that provider refused, since no fallback was chosen", async () => {
    await expectSwitchedOff("SCBEHighLatency", "starved", { mode: "disabled", says: /P99 latency: \S+ms/ });
  }, 100_000);

  test("one failure, a burst, an idle instance and no data switch nothing off", async () => {
    const killers = new Set((await audit("kill")).map(({ by }) => by));
    expect([...killers].sort()).toEqual([
      "alert:SCBEGCMFailureRate:forged",
      "alert:SCBEHighLatency:starved",
      "alert:SCBEPhaseSkew:ahead",
    ]);
    for (const provider of [...HARMLESS, QUIET, "reused"]) expect(await modeOf(provider)).toBe("enforced");
    expect(await health()).toMatchObject({ envelope_verification_enabled: true });
    await ask("single");
  });

  test("alerts with a `for` were pending in the burst", async () => {
    const waited = await safetyAlerts(stage.watch.prometheus, "pending", ["burst"]);
    expect(waited).toEqual(["SCBEGCMFailureRate burst", "SCBEPhaseSkew burst"]);
  });

  test.each(quietConditions(thresholds.durations))(
    "the quiet conditions did occur: %s",
    async (_, expression) => {
      expect(await query(expression)).not.toEqual([]);
    },
  );

  test("a nonce that is used twice has every request refused, by the event and by the alert", async () => {
    stage.begin("reused");
    await eventually(async () => (await health()).envelope_mode === "disabled", PATIENT);
    expect(await health()).toMatchObject({
      envelope_verification_enabled: false,
      kill_switch: { enabled: true, cause: "integrity" },
    });
    await expectRefused("single");
    expect(await killsBy("security event:reused")).toMatchObject([
      { reason: expect.stringMatching(/^nonce reuse at reused: session \S+, counter \d+$/) },
    ]);
    await eventually(async () => (await alertsActedOn()).includes("SCBENonceReuse:reused"), PATIENT);
    await eventually(async () => (await metric("scbe_rollback_paths_total", { agreed: "yes" })) === 1, SOON);
  }, 120_000);

  test("the alert of a nonce reuse alone switches everything off", async () => {
    await api.release();
    expect(await health()).toMatchObject({ envelope_verification_enabled: true });
    const labels = { alertname: "SCBENonceReuse", class: "safety", severity: "critical", provider: QUIET };
    await stage.watch.alertmanager.post([{ labels }]);
    await eventually(async () => (await health()).envelope_mode === "disabled", SOON);
    expect(await health()).toMatchObject({ envelope_verification_enabled: false });
    expect(await killsBy(`alert:SCBENonceReuse:${QUIET}`)).toHaveLength(1);
    await expectRefused("single");
  }, 120_000);

  test("the silent one of both paths is named in the audit, and in an alert to operators", async () => {
    await reportReuse(stage.system, "idle");
    await ageIncidents(stage.system, ["idle", QUIET, "reused"], 11 * MINUTE_MS);
    await eventually(async () => (await audit("paths")).length >= 2, SOON);
    const reasons = (await audit("paths")).map(({ reason }) => reason).sort();
    expect(reasons).toEqual([
      expect.stringMatching(/^idle: only the guard's event arrived/),
      expect.stringMatching(/^quiet: only the alert arrived/),
    ]);
    await eventually(async () => await firing("SCBERollbackPathSilent"), SOON);
  }, 120_000);
});

interface Expected {
  readonly mode: "fallback" | "disabled";
  /** The alert's description in the audit. */
  readonly says: RegExp;
}

async function expectSwitchedOff(alert: string, provider: string, expected: Expected): Promise<void> {
  await eventually(async () => (await modeOf(provider)) === expected.mode, PATIENT);
  await expectRefused(provider);
  await eventually(async () => (await alertsActedOn()).includes(`${alert}:${provider}`), SOON);
  expect(await killsBy(`alert:${alert}:${provider}`)).toMatchObject([
    { reason: expect.stringMatching(expected.says) },
  ]);
}

/** This deployment permits no fallback. */
async function expectRefused(provider: string): Promise<void> {
  await eventually(() => expect(ask(provider)).rejects.toMatchObject({ code: "SWITCHED_OFF" }), SOON);
}

function ask(provider: string): Promise<unknown> {
  const body = Buffer.from("Hello");
  return stage.orchestrator.client.request({ provider, model: "gpt-5", intent: "chat", body });
}

interface Health {
  readonly envelope_mode: string;
  readonly providers: Readonly<Record<string, { readonly envelope_mode: string }>>;
}

function health(): Promise<Health> {
  return get("/health/scbe") as Promise<Health>;
}

async function modeOf(provider: string): Promise<string | undefined> {
  return (await health()).providers[provider]?.envelope_mode;
}

interface AuditEntry {
  readonly action: string;
  readonly by: string;
  readonly reason: string;
  readonly after?: { readonly firing?: readonly string[] };
}

/** The entries of an action, newest first. */
async function audit(action: string): Promise<readonly AuditEntry[]> {
  const { entries } = (await get("/audit?limit=200")) as { entries: readonly AuditEntry[] };
  return entries.filter((entry) => entry.action === action);
}

async function killsBy(actor: string): Promise<readonly AuditEntry[]> {
  return (await audit("kill")).filter(({ by }) => by === actor);
}

/** The alerts in the audit entries of the webhook. */
async function alertsActedOn(): Promise<readonly string[]> {
  return (await audit("webhook")).flatMap(({ after }) => after?.firing ?? []);
}

/** The number of alerts with that result. */
function alertsWith(result: string): Promise<number> {
  return metric("scbe_rollback_alerts_total", { result });
}

async function metric(name: string, labels: Readonly<Record<string, string>>): Promise<number> {
  return sumOf(await scrape(controller()), name, labels);
}

async function firing(alertname: string, provider = ""): Promise<boolean> {
  const found = await query(`ALERTS{alertstate="firing",alertname="${alertname}",provider="${provider}"}`);
  return found.length > 0;
}

function query(expression: string): Promise<readonly Sample[]> {
  return stage.watch.prometheus.query(expression);
}

async function get(path: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${TOKENS.ADMIN_TOKEN}` };
  const answer = await fetch(`${controller().apiUrl}${path}`, { headers });
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answer.json();
}

function controller() {
  if (stage.system.controller === undefined) throw new Error("the stage has no controller");
  return stage.system.controller;
}

/** Reports a nonce reuse like a replay guard. No guard counts it, so no alert can follow. */
async function reportReuse(system: System, provider: string): Promise<void> {
  await using guard = await createStoreHost(system.nats, "replay-guard");
  const event: NonceReuseEvent = {
    v: 1,
    id: randomUUID(),
    env: "dev",
    provider,
    session: "c2Vzc2lvbg",
    counter: 1,
    seen_at: Date.now(),
  };
  const data = writeMessage(event);
  const subject = subjectOf("nonceReuse", { provider });
  await guard.store.publishAcknowledged(subject, data, { id: event.id, timeoutMs: 5000 });
  guard.bus.publish(subject, data);
  await guard.bus.flush();
}

/** Moves the start of nonce reuse incidents at these providers back in the controllers' record. Waits until they are recorded. */
async function ageIncidents(system: System, providers: readonly string[], byMs: number): Promise<void> {
  await using host = await createStoreHost(system.nats, "rollback-controller");
  const bucket = await host.store.bucket(BUCKETS.control);
  // If a controller writes meanwhile, the next try is based on its record.
  await eventually(async () => {
    const entry = await bucket.get(KV_KEYS.acted);
    if (entry === undefined) return false;
    const state = JSON.parse(Buffer.from(entry.value).toString("utf8"));
    for (const provider of providers) {
      const incident = state.incidents[provider];
      if (incident === undefined) return false;
      incident.at -= byMs;
    }
    await bucket.update(KV_KEYS.acted, Buffer.from(JSON.stringify(state)), entry.revision);
    return true;
  });
}
