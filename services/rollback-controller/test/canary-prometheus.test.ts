import {
  type AlertmanagerServer,
  closedPort,
  type PrometheusServer,
  requireTool,
  type SecuredNats,
  startAlertmanager,
  startPrometheus,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { measureWith } from "../src/canary/measure.ts";
import type { Canary, CriterionName, Decision } from "../src/canary/record.ts";
import { replayDecisions } from "../src/canary/replay.ts";
import { alertmanager } from "../src/edge/alertmanager.ts";
import { prometheus } from "../src/edge/prometheus.ts";
import { type CanaryController, MINUTE, startController } from "./canary-controller.ts";
import { historyOf, type Story } from "./canary-history.ts";

/** Hours ago, so that the whole story lies in the past; at the time of a scrape. */
const START = Math.floor((Date.now() - 5 * 60 * MINUTE) / MINUTE) * MINUTE;
/** From the begin of the story to the start of the canaries. */
const BEGIN = 10;

const STORIES = [
  {
    // Busy, with rare failures, many failures before the canary, and a gateway that restarts in the middle.
    ...{ provider: "openai", minutes: 150, perSecond: 2, restartsAt: 55 },
    failures: (minute) => (minute < BEGIN - 1 ? 5 : minute === 30 || minute === 90 ? 1 : 0),
  },
  { provider: "slow", minutes: 60, perSecond: 2, verifyMs: (minute) => (minute < 45 ? 5 : 50) },
  { provider: "skewed", minutes: 60, perSecond: 2, skewMs: (minute) => (minute < 20 ? 100 : 2000) },
  {
    provider: "forged",
    minutes: 60,
    perSecond: 2,
    failures: (minute) => (minute > 45 && minute <= 47 ? 3 : 0),
  },
  { provider: "reusing", minutes: 60, perSecond: 2, reuseAt: 20 },
  { provider: "quiet", minutes: 60, perSecond: 0.05 },
  { provider: "idle", minutes: 60, perSecond: 0 },
  { provider: "gone", minutes: 25, perSecond: 2 },
  { provider: "shares", minutes: 90, perSecond: 0.6, failures: (minute) => (minute === 12 ? 1 : 0) },
] as const satisfies readonly Story[];
const PROVIDERS = [...STORIES.map(({ provider }) => provider), "unknown"];
type Provider = (typeof STORIES)[number]["provider"] | "unknown";

const SAFETY_ALERTS = ["SCBENonceReuse", "SCBEGCMFailureRate", "SCBEPhaseSkew", "SCBEHighLatency"];
const NO_RECEIVER = "route: { receiver: none }\nreceivers: [{ name: none }]";

const available = requireTool("prometheus").ok && requireTool("alertmanager").ok;

describe.skipIf(!available)("a canary on a real Prometheus's data, by a clock of its own", () => {
  let nats: SecuredNats;
  let metrics: PrometheusServer;
  let alerts: AlertmanagerServer;
  const servers = new AsyncDisposableStack();

  beforeAll(async () => {
    nats = servers.use(await startSecuredNats({ providers: PROVIDERS }));
    metrics = servers.use(
      await startPrometheus({ config: "scrape_configs: []", history: historyOf(STORIES, START) }),
    );
    alerts = servers.use(await startAlertmanager({ config: NO_RECEIVER }));
  });
  afterAll(() => servers.disposeAsync());

  interface Stage extends AsyncDisposable {
    readonly controller: CanaryController;
    /** Makes a pass every five minutes up to that minute of the story. */
    until(minute: number): Promise<void>;
    canary(): Promise<Canary>;
    share(): Promise<number>;
  }

  interface StageOptions {
    readonly prometheusUrl?: string;
    readonly alertmanagerUrl?: string;
    readonly watchdogAgeMs?: number | undefined;
  }

  /** A canary of this provider, just begun. */
  async function stage(provider: Provider, options: StageOptions = {}): Promise<Stage> {
    const time = { now: START + BEGIN * MINUTE };
    const controller = await startController({
      transport: nats.storeTransport("control"),
      clock: { now: () => time.now, monotonic: () => time.now },
      providers: PROVIDERS,
      measure: measureWith({
        prometheus: prometheus(options.prometheusUrl ?? metrics.url),
        alertmanager: alertmanager(options.alertmanagerUrl ?? alerts.url),
        watchdogAgeMs: () => ("watchdogAgeMs" in options ? options.watchdogAgeMs : 15_000),
        safetyAlerts: SAFETY_ALERTS,
      }),
    });
    const find = async () => {
      const { canaries } = await controller.service.status();
      const found = canaries.find((canary) => canary.provider === provider);
      if (found === undefined) throw new Error(`no canary of ${provider}`);
      return found;
    };
    await controller.service.start({ provider, reason: "new release" }, "admin");
    return {
      controller,
      until: async (minute) => {
        while (time.now < START + minute * MINUTE) {
          time.now += 5 * MINUTE;
          await controller.pass();
        }
      },
      canary: find,
      share: async () => (await find()).share,
      [Symbol.asyncDispose]: async () => {
        const { state } = await find();
        if (state === "running" || state === "paused")
          await controller.service.abort({ provider, reason: "the test is over" }, "admin");
        await controller[Symbol.asyncDispose]();
      },
    };
  }

  const lastDecision = async (it: Stage): Promise<Decision> => {
    const decision = (await it.canary()).history.at(-1)?.decision;
    if (!decision) throw new Error("nothing was decided");
    return decision;
  };

  const measured = ({ evidence }: Decision, name: CriterionName) => {
    const { value, samples } = evidence.measurements.find((it) => it.name === name) ?? {};
    return { value: Number(value), samples: Number(samples) };
  };

  test("is promoted to 100 % without failures of its own, over a restart, and despite failures before it began", async () => {
    await using it = await stage("openai");
    await it.until(35);
    expect(await it.share()).toBe(5);
    // One failure of the step's own, among 2 gateways x 2 a second x 25 minutes.
    const share = measured(await lastDecision(it), "gcm_failure_share");
    expect(share.samples).toBeGreaterThan(5800);
    expect(share.samples).toBeLessThan(6200);
    expect(Math.round(share.value * share.samples)).toBe(1);

    const shares: number[] = [];
    for (const minute of [40, 70, 100, 130]) {
      await it.until(minute);
      shares.push(await it.share());
    }
    expect(shares).toEqual([25, 50, 100, 100]);
    const canary = await it.canary();
    expect(canary).toMatchObject({ state: "done", why: "the last step is over" });
    // The restarted gateway still has 30 minutes counted.
    const restarted = canary.history[1]?.decision;
    expect(restarted && measured(restarted, "clean_requests").value).toBeGreaterThan(6500);
    const replayed = replayDecisions(JSON.parse(JSON.stringify(await it.controller.service.status())));
    expect(replayed.map(({ verdict, same }) => [verdict, same])).toEqual(Array(4).fill(["promote", true]));
  });

  test.each([
    { provider: "slow", from: 40, to: 60, back: 5, why: /^verify_p99_ms: \S+ is not below 25$/ },
    { provider: "skewed", from: 10, to: 30, back: 0, why: /^phase_skew_p99_ms: \S+ is not below 1000$/ },
    {
      provider: "forged",
      from: 40,
      to: 60,
      back: 5,
      why: /^gcm_failure_share: 12 of \d+ failed, a score of/,
    },
    { provider: "reusing", from: 10, to: 30, back: 0, why: /^nonce_reuse: 1 is not below 0.5$/ },
  ] as const)("is aborted for $provider, back to $back %", async ({ provider, from, to, back, why }) => {
    await using it = await stage(provider);
    await it.until(from);
    expect(await it.canary()).toMatchObject({ state: "running", share: from === 40 ? 25 : 5 });
    await it.until(to);
    expect(await it.canary()).toMatchObject({ state: "aborted", share: back, by: "canary" });
    expect((await it.canary()).why).toMatch(why);
  });

  test.each([
    { provider: "quiet", why: /gcm_failure_share: 0 of 2\d\d failed, a score of/ },
    { provider: "idle", why: /verify_p99_ms: not a number, so nothing was measured/ },
    { provider: "gone", why: /gcm_failure_share: no data/ },
    { provider: "unknown", why: /gcm_failure_share: no data/ },
  ] as const)("holds where the provider is $provider", async ({ provider, why }) => {
    await using it = await stage(provider);
    await it.until(45);
    expect(await it.canary()).toMatchObject({ state: "running", share: 5 });
    const decision = await lastDecision(it);
    expect(decision.verdict).toBe("hold");
    expect(decision.why.join("; ")).toMatch(why);
  });

  test("holds at 50 % until 4,742 requests are clean where one has failed, and 2,995 where none has", async () => {
    await using it = await stage("shares");
    await it.controller.service.abort({ provider: "shares", reason: "another plan" }, "admin");
    await it.controller.service.start(
      { provider: "shares", steps: [50, 100], reason: "new release" },
      "admin",
    );
    await it.until(55);
    expect((await lastDecision(it)).why).toEqual([
      expect.stringMatching(/^clean_requests: 32\d\d of the 4742 /),
    ]);
    await it.until(80);
    expect(await it.share()).toBe(100);
  });

  test("holds while Prometheus is away", async () => {
    using closed = await closedPort();
    const prometheusUrl = `http://127.0.0.1:${closed.port}`;
    await using it = await stage("openai", { prometheusUrl });
    await it.until(45);
    expect(await it.canary()).toMatchObject({ state: "running", share: 5 });
    expect(await lastDecision(it)).toMatchObject({ verdict: "hold", outcomes: { nonce_reuse: "Error" } });
  });

  test("holds while Alertmanager is away, or the Watchdog does not come", async () => {
    using closed = await closedPort();
    const alertmanagerUrl = `http://127.0.0.1:${closed.port}`;
    await using it = await stage("openai", { alertmanagerUrl, watchdogAgeMs: undefined });
    await it.until(45);
    const { why, verdict } = await lastDecision(it);
    expect([verdict, ...why]).toEqual([
      "hold",
      expect.stringContaining("Alertmanager's silences: connect ECONNREFUSED"),
      "the Watchdog alert has never come",
    ]);
  });

  test("holds while a safety alert of its provider is silenced, and continues after the silence", async () => {
    const silence = await silenceAlerts(alerts.url, [
      { name: "alertname", value: "SCBE(HighLatency|NonceReuse)", isRegex: true, isEqual: true },
    ]);
    await using it = await stage("openai");
    await it.until(45);
    expect((await lastDecision(it)).why).toEqual([
      `a safety alert is silenced: ${silence} over ${SAFETY_ALERTS.join(", ")}`,
    ]);
    await expireSilence(alerts.url, silence);
    await it.until(50);
    expect(await it.share()).toBe(25);
  });

  test("ignores silences of alerts that cannot take its provider out of service", async () => {
    const silences = await Promise.all([
      silenceAlerts(alerts.url, [{ name: "provider", value: "slow", isRegex: false, isEqual: true }]),
      silenceAlerts(alerts.url, [{ name: "class", value: "operations", isRegex: false, isEqual: true }]),
    ]);
    await using it = await stage("openai");
    await it.until(40);
    expect(await it.share()).toBe(25);
    for (const silence of silences) await expireSilence(alerts.url, silence);
  });
});

async function silenceAlerts(url: string, matchers: readonly object[]): Promise<string> {
  const [startsAt, endsAt] = [0, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
  const response = await fetch(`${url}/api/v2/silences`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ matchers, startsAt, endsAt, createdBy: "ana", comment: "noise" }),
  });
  const { silenceID } = (await response.json()) as { silenceID: string };
  return silenceID;
}

async function expireSilence(url: string, id: string): Promise<void> {
  const response = await fetch(`${url}/api/v2/silence/${id}`, { method: "DELETE" });
  if (!response.ok) throw new Error(await response.text());
}
