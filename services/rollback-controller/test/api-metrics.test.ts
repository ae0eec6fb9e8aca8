import { requireTool, startPrometheus } from "@scbe/testkit";
import { describe, expect, it } from "vitest";
import { type Prometheus, prometheus, type QueryResult } from "../src/edge/prometheus.ts";
import { startApi } from "./api-kit.ts";

const ERRORS = "/api/metrics/error-rate";
const DASHBOARD = "/api/dashboards/scbe-security/metrics";
const BOUNDS = ["10", "25", "50", "+Inf"];
const found = requireTool("prometheus");

/** Counters that grew steadily in the last five minutes. */
function historyOf(perMinute: Readonly<Record<string, number>>): string {
  const families = new Map<string, string[]>();
  for (const [series, growth] of Object.entries(perMinute)) {
    const family = series.replace(/(_total|_count|_bucket)?[{].*/, "");
    const lines = families.get(family) ?? [];
    families.set(family, lines);
    for (let minutes = -10; minutes <= 0; minutes += 0.25)
      lines.push(`${series} ${1000 + growth * (minutes + 10)} ${Date.now() / 1000 + minutes * 60}`);
  }
  return `${[...families.values()].flat().join("\n")}\n# EOF\n`;
}

describe.skipIf(!found.ok)("what the runbook watches, from a real Prometheus", () => {
  it("is the share of failed requests, in all and by provider, with switched-off requests apart", async () => {
    const of = (provider: string, result: string) =>
      `scbe_requests_total{provider="${provider}",result="${result}"}`;
    const history = historyOf({
      [of("openai", "ok")]: 90,
      [of("openai", "TIMEOUT")]: 10,
      [of("xai", "ok")]: 50,
      [of("xai", "SWITCHED_OFF")]: 50,
      [of("groq", "ok")]: 0,
    });
    await using server = await startPrometheus({ config: "scrape_configs: []", history });
    await using api = await startApi({ prometheus: prometheus(server.url) });
    const { status, body } = await api.ask(ERRORS);
    expect(status).toBe(200);
    expect(body).toMatchObject({ at: expect.any(String), window: "5m" });
    expect(body.error_rate).toBeCloseTo(0.05, 2);
    expect(body.switched_off_rate).toBeCloseTo(0.25, 2);
    expect(body.requests).toBeGreaterThan(900);
    expect(body.providers.openai.error_rate).toBeCloseTo(0.1, 2);
    expect(body.providers.xai).toMatchObject({ failed: 0, error_rate: 0 });
    expect(body.providers.groq).toMatchObject({ requests: 0, error_rate: null });
  });

  it("has the dashboard's signals by provider, over all instances, and null for values that are no number", async () => {
    const labels = 'phase="request",provider="openai"';
    const buckets = BOUNDS.map((le) => [
      `scbe_envelope_verify_ms_bucket{${labels},le="${le}"}`,
      le === "10" ? 99.5 : 100,
    ]);
    const history = historyOf({
      ...Object.fromEntries(buckets),
      'scbe_gcm_attempts_total{provider="openai"}': 1000,
      'scbe_gcm_failures_total{provider="openai"}': 1,
      'scbe_gcm_attempts_total{provider="xai"}': 0,
      'scbe_gcm_failures_total{provider="xai"}': 0,
    });
    await using server = await startPrometheus({ config: "scrape_configs: []", history });
    await using api = await startApi({ prometheus: prometheus(server.url) });
    const { status, body } = await api.ask(DASHBOARD);
    expect([status, body.unavailable]).toEqual([200, {}]);
    expect(body.metrics.envelope_verify_p99_ms.openai).toBeGreaterThan(9);
    expect(body.metrics.envelope_verify_p99_ms.openai).toBeLessThan(10);
    expect(body.metrics.gcm_failure_share).toEqual({ openai: expect.closeTo(0.001, 4), xai: null });
    expect(body.metrics.nonce_reuse).toEqual({});
    expect(Object.keys(body.metrics)).toHaveLength(10);
  });
});

describe("what the runbook watches, without Prometheus", () => {
  it.each([ERRORS, DASHBOARD])("is answered 503 with the reason at %s", async (path) => {
    await using none = await startApi();
    expect(await none.ask(path)).toMatchObject({
      status: 503,
      body: { code: "NOT_READY", title: expect.stringContaining("PROMETHEUS_URL is not set") },
    });
    await using away = await startApi({ prometheus: prometheus("http://me:secret-word@127.0.0.1:1") });
    const answer = await away.ask(path);
    expect(answer).toMatchObject({
      status: 503,
      body: { code: "NOT_READY", title: expect.stringContaining("Prometheus does not answer: ") },
    });
    expect(JSON.stringify(answer.body)).not.toContain("secret-word");
  });

  it("has the available values when some queries fail", async () => {
    const query = async (expr: string): Promise<QueryResult> =>
      expr.includes("skew") ? { ok: false, reason: "no answer in 2000 ms" } : { ok: true, samples: [] };
    await using api = await startApi({ prometheus: { query } });
    const { status, body } = await api.ask(DASHBOARD);
    expect([status, body.unavailable]).toEqual([200, { phase_skew_p99_ms: "no answer in 2000 ms" }]);
  });

  it("is queried once for requests at about the same time", async () => {
    let asked = 0;
    let now = 0;
    const counting: Prometheus = {
      query: async () => {
        asked += 1;
        return { ok: true, samples: [] };
      },
    };
    await using api = await startApi({ prometheus: counting, clock: { now: () => 0, monotonic: () => now } });
    await Promise.all(Array.from({ length: 10 }, () => api.ask(ERRORS)));
    expect(asked).toBe(3);
    now = 1001;
    await api.ask(ERRORS);
    expect(asked).toBe(6);
  });
});
